//! What collectors and providers wrap around the lines of a log: containers, syslog, journald, clouds. Taking an
//! envelope off gives the bytes that the server wrote, so the formats need not know of any.

use super::moment::Month;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::io::{self, BufRead, Read};

/// The longest line in an envelope. What is longer is cut.
const MAX_LINE: u64 = 16 << 20;
/// Processes whose message syslog has not told to its end: more than a server has connections.
const MAX_OPEN: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// One object a line: Docker, journald, Cloud SQL, Azure, CloudNativePG.
    Json,
    /// `2026-11-20T22:17:12.9Z stderr F text`.
    Cri,
    /// `Nov 20 22:17:12 host postgres[18120]: [5-1] text`, and Heroku's.
    Syslog,
    /// `journalctl -o export`: a field a line, a blank line behind each record; what no line can hold by its length.
    Journal,
}

impl Envelope {
    /// The envelope of a log, told by its first line.
    pub fn of(sample: &[u8]) -> Option<Self> {
        let line = sample.split(|b| *b == b'\n').find(|line| !line.trim_ascii().is_empty())?;
        if line.starts_with(b"__CURSOR=") {
            return Some(Self::Journal);
        }
        if line.starts_with(b"{") {
            let value: Value = serde_json::from_slice(line).ok()?;
            return payload(&value).map(|_| Self::Json);
        }
        if cri(line).is_some() {
            return Some(Self::Cri);
        }
        numbered(line).map(|_| Self::Syslog)
    }
}

/// Takes the envelope off, line by line.
#[derive(Debug)]
pub struct Opened<R> {
    source: R,
    envelope: Envelope,
    /// For times without a year.
    now: Month,
    line: Vec<u8>,
    out: Vec<u8>,
    given: usize,
    /// By process: the message that syslog has told so far.
    open: HashMap<Vec<u8>, Message>,
}

/// A message that comes in pieces.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    text: Vec<u8>,
    /// What each of its lines begins with that is not the continuation of another.
    stamp: Vec<u8>,
    prefix: Vec<u8>,
}

impl<R: BufRead> Opened<R> {
    pub fn new(source: R, envelope: Envelope, now: Month) -> Self {
        let (line, out, open) = (Vec::new(), Vec::new(), HashMap::new());
        Self { source, envelope, now, line, out, given: 0, open }
    }

    /// False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        self.out.clear();
        self.given = 0;
        self.line.clear();
        if self.envelope == Envelope::Journal {
            return self.record();
        }
        let read = self.source.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            // What was never told to its end.
            let mut open: Vec<_> = self.open.drain().collect();
            open.sort_unstable();
            open.into_iter().for_each(|(_, message)| self.out.extend_from_slice(&message.text));
            return Ok(!self.out.is_empty());
        }
        // A tab at the end may be all that a line of the server has.
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        match self.envelope {
            Envelope::Json => {
                let value = serde_json::from_slice::<Value>(line).ok();
                let text = value.as_ref().and_then(payload).unwrap_or_default();
                self.out.extend_from_slice(&text);
            }
            Envelope::Cri => {
                let (text, whole) = cri(line).unwrap_or_default();
                self.out.extend_from_slice(text);
                if whole {
                    self.out.push(b'\n');
                }
            }
            Envelope::Syslog => {
                if let Some(piece) = numbered(line) {
                    collect(&mut self.open, &mut self.out, &piece, self.now);
                }
            }
            Envelope::Journal => {}
        }
        Ok(true)
    }

    /// One record of a journal, of which only the message is the server's. False at the end.
    fn record(&mut self) -> io::Result<bool> {
        let mut any = false;
        loop {
            if self.field()? == 0 {
                return Ok(any);
            }
            any = true;
            let field = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
            if field.is_empty() {
                return Ok(true);
            }
            if let Some(message) = field.strip_prefix(b"MESSAGE=") {
                self.out.extend(tabbed(message));
            } else if !field.contains(&b'=') {
                let is_message = field == b"MESSAGE";
                let value = self.counted()?;
                if is_message && !value.is_empty() {
                    self.out.extend(tabbed(&value));
                }
            }
        }
    }

    /// A line, cut where it is too long.
    fn field(&mut self) -> io::Result<usize> {
        self.line.clear();
        let read = self.source.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        let mut is_cut = read as u64 == MAX_LINE && !self.line.ends_with(b"\n");
        while is_cut {
            let more = self.source.fill_buf()?;
            let end = memchr::memchr(b'\n', more).map(|at| at + 1);
            is_cut = end.is_none() && !more.is_empty();
            let length = end.unwrap_or(more.len());
            self.source.consume(length);
        }
        Ok(read)
    }

    /// A value with its length before it, and a newline behind it. Nothing where the file ends before that.
    fn counted(&mut self) -> io::Result<Vec<u8>> {
        let mut length = Vec::new();
        self.source.by_ref().take(8).read_to_end(&mut length)?;
        let Ok(length) = <[u8; 8]>::try_from(length) else { return Ok(Vec::new()) };
        let length = u64::from_le_bytes(length);
        let mut value = Vec::new();
        self.source.by_ref().take(length.min(MAX_LINE)).read_to_end(&mut value)?;
        let rest = length.saturating_sub(MAX_LINE).saturating_add(1);
        io::copy(&mut self.source.by_ref().take(rest), &mut io::sink())?;
        Ok(value)
    }
}

/// A message of several lines comes as one: as the server writes it, the others begin with a tab.
fn tabbed(message: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(message.len() + 1);
    let end = message.iter().rposition(|b| *b != b'\n').map_or(0, |last| last + 1);
    for (nth, line) in message.get(..end).unwrap_or_default().split(|b| *b == b'\n').enumerate() {
        if nth > 0 && !line.starts_with(b"\t") {
            lines.push(b'\t');
        }
        lines.extend_from_slice(line);
        lines.push(b'\n');
    }
    lines
}

impl<R: BufRead> Read for Opened<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.given >= self.out.len() {
            if !self.fill()? {
                return Ok(0);
            }
        }
        let rest = self.out.get(self.given..).unwrap_or_default();
        let length = rest.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..length), rest.get(..length)) {
            into.copy_from_slice(from);
        }
        self.given += length;
        Ok(length)
    }
}

/// The bytes of the server in an object of any of those that wrap so.
fn payload(value: &Value) -> Option<Vec<u8>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if value.get("error_severity").is_some() {
        return None;
    }
    if let Some(log) = value.get("log").and_then(text) {
        return Some(log.into_bytes());
    }
    if let Some(record) = value.get("record").and_then(Value::as_object) {
        return Some(cloud_native(record));
    }
    let wrapped = value.get("textPayload").or_else(|| value.get("MESSAGE")).or_else(|| value.get("message"));
    let message = wrapped.or_else(|| value.get("properties")?.get("message"))?;
    match message {
        Value::String(text) => Some(tabbed(text.as_bytes())),
        // As journald shows what is not UTF-8.
        Value::Array(bytes) => {
            let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
            Some(tabbed(&bytes.iter().map(byte).collect::<Option<Vec<u8>>>()?))
        }
        _ => None,
    }
}

/// CloudNativePG has the columns of csvlog as keys; the names are those of its table, not those of jsonlog.
fn cloud_native(record: &Map<String, Value>) -> Vec<u8> {
    let keys = [
        ("log_time", "timestamp"),
        ("user_name", "user"),
        ("database_name", "dbname"),
        ("connection_from", "remote_host"),
        ("session_id", "session_id"),
        ("error_severity", "error_severity"),
        ("sql_state_code", "state_code"),
        ("message", "message"),
        ("detail", "detail"),
        ("hint", "hint"),
        ("context", "context"),
        ("query", "statement"),
        ("application_name", "application_name"),
    ];
    let known =
        keys.iter().filter_map(|(theirs, ours)| Some(((*ours).to_owned(), record.get(*theirs)?.clone())));
    let mut line = Value::Object(known.collect()).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// The text of a line of a container's log, and whether the line ends with it.
fn cri(line: &[u8]) -> Option<(&[u8], bool)> {
    let mut parts = line.splitn(4, |b| *b == b' ');
    let (time, stream, tag) = (parts.next()?, parts.next()?, parts.next()?);
    let is_time = time.len() > 19 && time.get(10) == Some(&b'T');
    let known = matches!(stream, b"stdout" | b"stderr") && matches!(tag, b"F" | b"P");
    (is_time && known).then(|| (parts.next().unwrap_or_default(), tag == b"F"))
}

/// A line of syslog.
#[derive(Debug)]
struct Piece<'a> {
    time: &'a [u8],
    process: &'a [u8],
    /// The first of its message.
    first: bool,
    text: &'a [u8],
}

/// `… postgres[18120]: [5-1] text`. What stands before is the time, and the host.
fn numbered(line: &[u8]) -> Option<Piece<'_>> {
    let bracket = memchr::memmem::find(line, b"]: [")?;
    let before = line.get(..bracket)?;
    let open = memchr::memrchr(b'[', before)?;
    let process = before.get(open + 1..)?;
    // `postgres[7]: [5-1]`; a plain log may have `[7]: [5-1]`.
    if !before.get(..open)?.last()?.is_ascii_alphanumeric() {
        return None;
    }
    let mut rest = line.get(bracket + 4..)?;
    // Heroku names the database first.
    if !rest.first()?.is_ascii_digit() {
        rest = rest.get(memchr::memmem::find(rest, b"] [")? + 3..)?;
    }
    let close = memchr::memchr(b']', rest)?;
    let (_, nth) = std::str::from_utf8(rest.get(..close)?).ok()?.split_once('-')?;
    let first = nth.parse::<u32>().ok()? == 1;
    let text = rest.get(close + 1..)?;
    let text = text.strip_prefix(b" ").unwrap_or(text);
    Some(Piece { time: before, process, first, text })
}

/// Puts the pieces of a message together. A piece that begins with a tab is a line of its own, and so is one that begins
/// as the message did, like `DETAIL`; any other goes on where the one before was broken.
fn collect(open: &mut HashMap<Vec<u8>, Message>, out: &mut Vec<u8>, piece: &Piece, now: Month) {
    let text = unescape(piece.text);
    if piece.first {
        if open.len() >= MAX_OPEN {
            open.drain().for_each(|(_, message)| out.extend_from_slice(&message.text));
        }
        let stamp = stamp(piece, &text, now);
        let prefix = labelled(&text).unwrap_or_default().to_vec();
        let message = Message { text: [&stamp[..], &text, b"\n"].concat(), stamp, prefix };
        if let Some(before) = open.insert(piece.process.to_vec(), message) {
            out.extend_from_slice(&before.text);
        }
    } else if let Some(message) = open.get_mut(piece.process) {
        if message.text.len() as u64 > MAX_LINE {
            return;
        }
        if labelled(&text).is_some_and(|prefix| *prefix == *message.prefix) {
            message.text.extend_from_slice(&message.stamp);
        } else if !text.starts_with(b"\t") {
            message.text.pop();
        }
        message.text.extend_from_slice(&text);
        message.text.push(b'\n');
    }
}

/// What stands before `LOG:  ` or `DETAIL:  `, whatever the language of the word.
fn labelled(text: &[u8]) -> Option<&[u8]> {
    const LONGEST: usize = 20;
    let colon = memchr::memmem::find(text, b":  ")?;
    let head = text.get(..colon)?;
    let word = head.rsplit(|b| matches!(b, b' ' | b':' | b']' | b',' | b'>' | b'|')).next()?;
    let is_word =
        (2..=LONGEST).contains(&word.len()) && word.iter().all(|b| b.is_ascii_uppercase() || *b >= 0x80);
    is_word.then(|| head.get(..colon - word.len()))?
}

/// rsyslog writes control characters as `#011`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"#0") {
        let code = rest.get(at + 1..at + 4).and_then(|code| std::str::from_utf8(code).ok());
        let byte = code.and_then(|code| u8::from_str_radix(code, 8).ok()).filter(|byte| *byte < 32);
        let (length, byte) = match byte {
            Some(byte) => (4, byte),
            None => (1, b'#'),
        };
        plain.extend_from_slice(rest.get(..at).unwrap_or_default());
        plain.push(byte);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    plain.extend_from_slice(rest);
    plain
}

/// Syslog keeps time and process; where the server does not write them again, they are put before its text.
fn stamp(piece: &Piece, text: &[u8], now: Month) -> Vec<u8> {
    let known = text.first_chunk::<4>().is_some_and(|head| head.iter().all(u8::is_ascii_digit));
    if known {
        return Vec::new();
    }
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let mut words = piece.time.split(|b| *b == b' ').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let mut stamp = match MONTHS.iter().position(|month| *month == first) {
        Some(month) => {
            let day = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
            let time = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
            let month = month as i64 + 1;
            // It is not told, and none of this is of a month to come.
            let year = now.0 - i64::from(month > now.1);
            format!("{year}-{month:02}-{day:0>2} {time} UTC").into_bytes()
        }
        None => first.to_vec(),
    };
    stamp.extend_from_slice(b" [");
    stamp.extend_from_slice(piece.process);
    stamp.extend_from_slice(b"] ");
    stamp
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> String {
        let envelope = Envelope::of(text.as_bytes()).unwrap();
        let mut out = Vec::new();
        Opened::new(text.as_bytes(), envelope, (2026, 12)).read_to_end(&mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn syslog_is_put_together_by_process() {
        let text = "Nov  2 22:17:12 db1 postgres[7]: [5-1] app@shop LOG:  duration: 1.0 ms  statement: select\n\
                    Nov  2 22:17:12 db1 postgres[8]: [9-1] app@shop LOG:  x\n\
                    Nov  2 22:17:12 db1 postgres[7]: [5-2] #011 1 from\n\
                    Nov  2 22:17:12 db1 postgres[7]: [5-3]  t\n\
                    Nov  2 22:17:12 db1 postgres[7]: [5-4] app@shop DETAIL:  parameters: $1 = '1'\n";
        let expected = "2026-11-02 22:17:12 UTC [7] app@shop LOG:  duration: 1.0 ms  statement: select\n\t 1 from t\n\
                        2026-11-02 22:17:12 UTC [7] app@shop DETAIL:  parameters: $1 = '1'\n\
                        2026-11-02 22:17:12 UTC [8] app@shop LOG:  x\n";
        assert_eq!(opened(text), expected);
    }

    #[test]
    fn syslog_tells_no_year_and_nothing_is_of_a_month_to_come() {
        let text = "Dec 31 23:59:00 db1 postgres[7]: [5-1] LOG:  x\n";
        let in_january = |text: &str| {
            let mut out = String::new();
            Opened::new(text.as_bytes(), Envelope::Syslog, (2027, 1)).read_to_string(&mut out).unwrap();
            out
        };
        assert_eq!(in_january(text), "2026-12-31 23:59:00 UTC [7] LOG:  x\n");
        assert_eq!(in_january(&text.replace("Dec 31", "Jan  1")), "2027-01-01 23:59:00 UTC [7] LOG:  x\n");
    }

    /// A length as a journal writes it, which is text as long as it is small.
    fn u64_text(length: usize) -> String {
        String::from_utf8((length as u64).to_le_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_journal_that_ends_early_or_holds_no_text() {
        let record = |text: &str| format!("__CURSOR=s=1\n_PID=7\nMESSAGE={text}\n\n");
        assert_eq!(opened(&(record("one") + &record("\ttwo"))), "one\n\ttwo\n");
        assert_eq!(opened(&(record("one") + "__CURSOR=s=2\nMESSAGE\n\x05\0")), "one\n", "a length cut short");
        assert_eq!(opened(&(record("one") + "__CURSOR=s=2\nMESSAGE\n\x05\0\0\0\0\0\0\0ab")), "one\nab\n");
        let far = format!("MESSAGE\n{}", "\x7f".repeat(8));
        assert_eq!(opened(&(record("one") + &far)), "one\n", "nobody waits for what does not come");
        assert_eq!(opened("{\"MESSAGE\":[111,110,101,255]}").as_bytes(), "one\u{fffd}\n".as_bytes());
    }

    #[test]
    fn containers_and_clouds() {
        let line = "2026-11-20 22:17:12 UTC [7] LOG:  x";
        let expected = format!("{line}\n\ty\n");
        let docker = format!(
            "{{\"log\":\"{line}\\n\",\"stream\":\"stderr\",\"time\":\"2026\"}}\n{{\"log\":\"\\ty\\n\"}}\n"
        );
        assert_eq!(opened(&docker), expected);
        let cri = format!(
            "2026-11-20T22:17:12.1Z stderr F {line}\n2026-11-20T22:17:12.1Z stderr P \ty\n2026-11-20T22:17:12.1Z stderr F \n"
        );
        assert_eq!(opened(&cri), expected);
        for wrap in [
            "{\"textPayload\":\"TEXT\"}",
            "{\"properties\":{\"message\":\"TEXT\"}}",
            "{\"MESSAGE\":\"TEXT\"}",
            "__CURSOR=s=1\n_PID=7\nMESSAGE\nLENGTH\n_SYSTEMD_UNIT=postgresql@15-main.service\n\n",
        ] {
            let told = format!("{line}\ny");
            let counted = format!("{}{told}", u64_text(told.len()));
            let wrapped = wrap.replace("TEXT", &format!("{line}\\ny")).replace("LENGTH", &counted);
            assert_eq!(opened(&wrapped), expected);
        }
        let cnpg = r#"{"logger":"postgres","record":{"log_time":"2026-11-20 22:17:12.9 UTC","error_severity":"LOG","message":"x","query":"select 1"}}"#;
        let expected = r#"{"error_severity":"LOG","message":"x","statement":"select 1","timestamp":"2026-11-20 22:17:12.9 UTC"}"#;
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(value(&opened(cnpg)), value(expected));
        assert_eq!(Envelope::of(br#"{"timestamp":"x","error_severity":"LOG","message":"y"}"#), None);
        assert_eq!(Envelope::of(line.as_bytes()), None);
    }
}
