//! What is left of a text while a lexer reads it.

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub fn peek(&self, ahead: usize) -> Option<u8> {
        self.rest.as_bytes().get(ahead).copied()
    }

    /// Every length comes from a search for ASCII bytes and so ends at a character; if it ever did not, all
    /// that is left would be swallowed: towards silence.
    pub fn take(&mut self, length: usize) -> &'a str {
        let (head, tail) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = tail;
        head
    }

    pub fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        self.take(span(self.rest, belongs))
    }

    pub fn take_blanks(&mut self) -> &'a str {
        self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
    }
}

/// How many bytes at the beginning belong.
pub(super) fn span(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| belongs(*byte)).count()
}
