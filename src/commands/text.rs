//! Plain text for a terminal.

/// Breaks at blanks; what is longer than a line stays whole, so that it can be copied.
pub fn fill(text: &str, width: usize) -> String {
    let mut filled = String::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let long = word.chars().count();
        if used > 0 && used + 1 + long > width {
            filled.push('\n');
            used = 0;
        } else if used > 0 {
            filled.push(' ');
            used += 1;
        }
        filled.push_str(word);
        used += long;
    }
    filled
}

/// Every line moved in, and ended.
pub fn indent(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// Columns as wide as their widest cell; the last one is filled.
pub fn table(rows: &[Vec<String>], width: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest =
        |nth: usize| rows.iter().filter_map(|row| row.get(nth)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|nth| widest(nth).unwrap_or(0)).collect();
    let mut drawn = String::new();
    for row in rows {
        let mut line = String::new();
        let mut at = 0;
        for (nth, (cell, wide)) in row.iter().zip(&widths).enumerate() {
            if nth + 1 == count {
                let filled = fill(cell, width.saturating_sub(at).max(30));
                line.push_str(&filled.replace('\n', &format!("\n{:at$}", "")));
            } else {
                line.push_str(&format!("{cell:wide$}  "));
                at += wide + 2;
            }
        }
        drawn.push_str(line.trim_end());
        drawn.push('\n');
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(fill("a bb  ccc dddddddd e", 6), "a bb\nccc\ndddddddd\ne");
        assert_eq!(indent("a\nb", 2), "  a\n  b\n");
        let rows = [vec!["a".into(), "one".into()], vec!["long".into(), "two".into()]];
        assert_eq!(table(&rows, 80), "a     one\nlong  two\n");
    }
}
