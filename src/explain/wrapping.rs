//! What clients put around a plan: headings, borders, counts of rows, and ends of lines spelled out.

use std::borrow::Cow;

/// What stands above a plan in psql, and in the clients of MySQL and MariaDB.
const HEADINGS: [&str; 3] = ["QUERY PLAN", "EXPLAIN", "ANALYZE"];
/// Before the first line of a plan in `\G`, and before each in `\x`.
const NAMES: [&str; 4] = ["QUERY PLAN | ", "QUERY PLAN| ", "EXPLAIN: ", "ANALYZE: "];

/// The plan alone. Lines keep how far to the right they stand beside each other.
pub fn bare(text: &str) -> String {
    let text = in_ascii(text.trim_start_matches('\u{feff}'));
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let lines = lines.get(begins(&lines).unwrap_or_default()..).unwrap_or_default();
    let is_expanded = lines.first().is_some_and(|line| line.starts_with("QUERY PLAN"));
    let has_border = lines.iter().take(3).any(|line| is_border(line) && line.trim().starts_with('+'))
        || lines.first().is_some_and(|line| line.trim().starts_with('|'));
    let mut body: Vec<Cow<'_, str>> = Vec::new();
    for line in lines {
        if is_heading(line) || is_border(line) || line.starts_with("-[ RECORD") {
            continue;
        }
        if is_end(line) && !body.is_empty() {
            break;
        }
        let line = named(line).or_else(|| more(line).filter(|_| is_expanded)).unwrap_or(line);
        let line = if has_border { without_border(line) } else { line };
        body.push(spelled(line));
    }
    if goes_on(&body) {
        body.iter_mut().for_each(|line| {
            let bare = line.trim_end();
            *line = Cow::Owned(bare.strip_suffix('+').unwrap_or(bare).trim_end().to_owned());
        });
    }
    unquoted(body.join("\n"))
}

/// Where the plan begins: a statement before it may have a line that looks like a heading.
fn begins(lines: &[&str]) -> Option<usize> {
    let position = |is: fn(&str) -> bool| lines.iter().position(|line| is(line));
    lines
        .windows(2)
        .position(|two| matches!(two, [line, next] if is_heading(line) && is_border(next)))
        .or_else(|| {
            position(|line| line.contains("QUERY PLAN") && (is_heading(line) || named(line).is_some()))
        })
        .or_else(|| position(|line| named(line).is_some()))
        .or_else(|| position(is_heading))
}

/// psql's `\pset linestyle unicode`, in the letters of `ascii`.
fn in_ascii(text: &str) -> Cow<'_, str> {
    let is_drawn = |line: &str| {
        line.contains(['─', '═']) && line.trim().chars().all(|letter| ('─'..='╿').contains(&letter))
    };
    let is_record = |line: &str| line.contains("─[ RECORD ");
    if !text.lines().any(|line| is_drawn(line) || is_record(line)) {
        return Cow::Borrowed(text);
    }
    let letters = text.chars().map(|letter| match letter {
        '─' | '═' => '-',
        '│' | '║' => '|',
        '─'..='╿' | '↵' => '+',
        other => other,
    });
    Cow::Owned(letters.collect())
}

/// Each line in quotes, as pgAdmin copies it.
fn unquoted(text: String) -> String {
    let within =
        |line: &str| Some(line.trim_end().strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""));
    let lines: Option<Vec<String>> = text.lines().filter(|line| !line.is_empty()).map(within).collect();
    lines.map_or(text, |lines| lines.join("\n"))
}

fn is_heading(line: &str) -> bool {
    HEADINGS.contains(&line.trim_matches([' ', '|', '"']))
}

fn named(line: &str) -> Option<&str> {
    NAMES.iter().find_map(|name| line.strip_prefix(name))
}

/// A line of psql's `\x` that belongs to the one above.
fn more(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix("| ").filter(|_| line.starts_with(' '))
}

/// `+-----+`, `------`.
fn is_border(line: &str) -> bool {
    let line = line.trim();
    line.contains("---") && line.chars().all(|letter| matches!(letter, '-' | '+' | '|' | '='))
}

/// `(12 rows)`, `1 row in set (0.00 sec)`, `Time: 1.234 ms`, `*** 2. row ***`.
fn is_end(line: &str) -> bool {
    // YAML tells the time of a trigger further to the right, and without its unit.
    let is_time = line.starts_with("Time: ") && line.contains(" ms");
    let line = line.trim();
    let counted = line.strip_prefix('(').and_then(|line| line.strip_suffix(')')).unwrap_or(line);
    let counts = |words: [&str; 2]| {
        words.iter().any(|word| {
            counted.split_once(word).is_some_and(|(count, rest)| {
                !count.is_empty()
                    && count.bytes().all(|digit| digit.is_ascii_digit())
                    && (rest.is_empty() || rest.starts_with(" in set"))
            })
        })
    };
    counts([" rows", " row"]) || is_time || line.starts_with("*******")
}

/// Only the first line of a value has the border on its left, and only the last one on its right.
fn without_border(line: &str) -> &str {
    let line = line.strip_prefix("| ").or_else(|| line.strip_prefix('|')).unwrap_or(line);
    line.trim_end().strip_suffix('|').map_or(line, str::trim_end)
}

/// Does each line of a value end with the `+` by which psql says that it goes on?
fn goes_on(lines: &[Cow<'_, str>]) -> bool {
    let said: Vec<&str> = lines.iter().map(|line| line.trim_end()).filter(|line| !line.is_empty()).collect();
    said.split_last()
        .is_some_and(|(_, before)| !before.is_empty() && before.iter().all(|line| line.ends_with('+')))
}

/// `mysql --batch` writes ends of lines as `\n`, all in one line.
fn spelled(line: &str) -> Cow<'_, str> {
    let is_json = line.starts_with("{\\n") || line.starts_with("[\\n");
    let is_tree = line.starts_with("-> ") && line.trim_end().ends_with("\\n");
    if !is_json && !is_tree {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('0') => {}
                Some(other) => plain.push(other),
                None => {}
            },
            letter => plain.push(letter),
        }
    }
    Cow::Owned(plain)
}

/// A plan that is shown as a table, as a line for each row with tabs between its cells, the heading first.
pub fn rows(text: &str) -> Option<String> {
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    while let Some(line) = lines.next() {
        let line = line.strip_prefix("# explain: ").unwrap_or(line);
        if is_of_rows(&cells(line)) {
            let rest = lines.map(|line| line.strip_prefix("# explain: ").unwrap_or(line));
            let all = std::iter::once(line).chain(rest.filter(|line| !is_border(line)));
            let all = all.map(cells).take_while(|cells| cells.len() > 2);
            return Some(all.map(|cells| cells.join("\t")).collect::<Vec<_>>().join("\n"));
        }
        if line.starts_with("*****") && line.contains(" row *****") {
            return records(lines);
        }
    }
    None
}

fn is_of_rows(cells: &[&str]) -> bool {
    cells.first() == Some(&"id") && cells.get(1) == Some(&"select_type")
}

fn cells(line: &str) -> Vec<&str> {
    let bordered = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    match bordered {
        // A cell of MariaDB may hold a bar itself: `ref|filter`.
        Some(line) if line.contains(" | ") => line.split(" | ").map(str::trim).collect(),
        Some(line) => line.split('|').map(str::trim).collect(),
        None => line.split('\t').collect(),
    }
}

/// `\G`: a line for each cell, and above each row one of stars.
fn records<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut heading: Vec<&str> = Vec::new();
    let mut rows: Vec<Vec<&str>> = vec![Vec::new()];
    for line in lines {
        if line.starts_with("*****") {
            rows.push(Vec::new());
        } else if let Some((name, value)) = line.trim_start().split_once(':') {
            if rows.len() == 1 {
                heading.push(name);
            }
            rows.last_mut()?.push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    is_of_rows(&heading).then_some(())?;
    rows.insert(0, heading);
    Some(rows.iter().map(|cells| cells.join("\t")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_put_around_a_plan() {
        let plain = "Limit  (cost=1..2 rows=5 width=4)\n   ->  Seq Scan on t";
        for text in [
            plain.to_owned(),
            format!("{plain}\n(2 rows)\n\nTime: 1.0 ms\n"),
            format!("\"QUERY PLAN\"\n\"{}\"\n", plain.replace('\n', "\"\n\"")),
            format!("shop=# explain select 1;\n          QUERY PLAN\n-----------------------\n{plain}\n(2 rows)\n"),
            "+-------+\n|   QUERY PLAN   |\n+-----+\n| Limit  (cost=1..2 rows=5 width=4) |\n|    ->  Seq Scan on t |\n+-----+\n(2 rows)".to_owned(),
            "-[ RECORD 1 ]--\nQUERY PLAN | Limit  (cost=1..2 rows=5 width=4)\n-[ RECORD 2 ]--\nQUERY PLAN |    ->  Seq Scan on t\n".to_owned(),
        ] {
            assert_eq!(bare(&text).trim_end(), plain, "{text}");
        }
        let json = " QUERY PLAN \n------------\n [         +\n   {       +\n   }       +\n ]\n(1 row)\n";
        assert_eq!(bare(json), " [\n   {\n   }\n ]");
        let tree = "-> Limit: 5 row(s)  (cost=1 rows=5)\n    -> Table scan on t  (cost=1 rows=9)";
        for text in [
            format!("EXPLAIN\n{}\\n\n", tree.replace('\n', "\\n")),
            format!(
                "*************************** 1. row ***************************\nEXPLAIN: {tree}\n\n1 row in set (0.00 sec)\n"
            ),
            format!(
                "+----+\n| EXPLAIN |\n+----+\n| {tree}\n |\n+----+\n1 row in set, 1 warning (0.00 sec)\n"
            ),
        ] {
            assert_eq!(bare(&text).trim(), tree, "{text}");
        }
        assert_eq!(bare("ANALYZE\n{\\n  \"a\": \"x\\\\\"y\"\\n}\n"), "{\n  \"a\": \"x\\\"y\"\n}");
    }

    #[test]
    fn the_time_of_a_trigger_ends_no_plan() {
        let yaml = "- Plan: \n    Node Type: \"Limit\"\n  Triggers: \n    - Trigger Name: \"a\"\n      Time: 1250.500\n      Calls: 3";
        assert_eq!(bare(yaml), yaml);
        assert_eq!(bare(&format!("{yaml}\nTime: 2000.000 ms (00:02.000)\n")), yaml);
    }

    #[test]
    fn lines_drawn_in_unicode() {
        let plain = "Limit  (cost=1..2 rows=5 width=4)\n   ->  Seq Scan on t";
        let (first, second) = plain.split_once('\n').unwrap();
        for text in [
            format!("          QUERY PLAN\n──────────────\n{plain}\n(2 rows)\n"),
            format!(
                "┌─────────┐\n│  QUERY PLAN  │\n├───────┤\n│ {first} │\n│ {second} │\n└─────┘\n(2 rows)\n"
            ),
            format!("─[ RECORD 1 ]──\nQUERY PLAN │ {first}\n─[ RECORD 2 ]──\nQUERY PLAN │ {second}\n"),
        ] {
            assert_eq!(bare(&text).trim_end(), plain, "{text}");
        }
        let json = " QUERY PLAN \n────────────\n [         ↵\n   {       ↵\n   }       ↵\n ]\n(1 row)\n";
        assert_eq!(bare(json), " [\n   {\n   }\n ]");
    }

    #[test]
    fn a_statement_has_no_heading() {
        let tree = "-> Limit: 5 row(s)  (cost=1 rows=5)";
        for text in [
            format!("EXPLAIN\nANALYZE\nselect 1;\n   QUERY PLAN\n-------\n{tree}\n(1 row)\n"),
            format!("EXPLAIN\nselect 1;\n-[ RECORD 1 ]---\nQUERY PLAN | {tree}\n"),
            format!("EXPLAIN\nselect 1;\n+---+\n| EXPLAIN |\n+---+\n| {tree} |\n+---+\n1 row in set\n"),
            format!("EXPLAIN\nselect 1\\G\n**** 1. row ****\nEXPLAIN: {tree}\n1 row in set\n"),
        ] {
            assert_eq!(bare(&text).trim(), tree, "{text}");
        }
    }

    #[test]
    fn a_table_is_rows_of_cells() {
        let rows = |text| rows(text).unwrap();
        let wanted = "id\tselect_type\ttable\n1\tSIMPLE\tt";
        assert_eq!(
            rows(
                "+--+---+---+\n| id | select_type | table |\n+----+---+---+\n|  1 | SIMPLE | t |\n+---+--+--+\n1 row in set"
            ),
            wanted
        );
        assert_eq!(rows("id\tselect_type\ttable\n1\tSIMPLE\tt\n"), wanted);
        assert_eq!(rows("# explain: id\tselect_type\ttable\n# explain: 1\tSIMPLE\tt\n#\n"), wanted);
        let record =
            "****** 1. row ******\n           id: 1\n  select_type: SIMPLE\n        table: t\n1 row in set\n";
        assert_eq!(rows(record), wanted);
        let filtered = "| id | select_type | type | key |\n|    1 | SIMPLE | ref|filter |   |\n";
        assert_eq!(rows(filtered), "id\tselect_type\ttype\tkey\n1\tSIMPLE\tref|filter\t");
        assert_eq!(super::rows("id\tname\n1\tx"), None);
    }
}
