//! The rows of EXPLAIN and ANALYZE of MySQL and MariaDB, and of `# explain:` in MariaDB's slow log, as a tree: the first
//! query, below it its tables in the order in which they are joined, and after them the queries within it.
//!
//! In the log and with ANALYZE they are of the run itself: beside what was expected stands what came. Only words that the server chose, and names that
//! the statement has for its tables, come into the tree.

use crate::model::plan::{MAX_NODES, PlanNode, Work};

/// Reads the block, with its heading.
pub fn read(block: &[u8]) -> Option<PlanNode> {
    let text = std::str::from_utf8(block).ok()?;
    of_rows(text.lines().filter_map(|line| line.strip_prefix("# explain: ")))
}

/// The heading and the rows of a table, with tabs between their cells.
pub fn printed(rows: &str) -> Option<PlanNode> {
    of_rows(rows.lines())
}

fn of_rows<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<PlanNode> {
    let heading: Vec<&str> = lines.next()?.split('\t').collect();
    let mut queries: Vec<Query<'_>> = Vec::new();
    for line in lines.take(MAX_NODES) {
        let row = Row::of(&heading, line)?;
        let (id, kind) = (row.text("id"), row.text("select_type")?);
        let known = queries.iter_mut().find(|query| query.id == id && query.kind == kind);
        match known {
            Some(query) => query.join(&row),
            None => {
                let mut query = Query::new(id, kind);
                query.join(&row);
                queries.push(query);
            }
        }
    }
    let mut queries = queries.into_iter().map(Query::into_node);
    let mut first = queries.next()?;
    first.children.extend(queries);
    Some(first)
}

/// Of a block what its shape hangs on: all but the numbers. Runs of one plan differ in nothing else.
#[derive(Debug, Default)]
pub struct Essence {
    /// The last one that was read: mostly there is no other.
    heading: Vec<u8>,
    /// Its columns with numbers, in bits.
    numbers: u64,
    bytes: Vec<u8>,
}

impl Essence {
    const NUMBERS: [&[u8]; 4] = [b"rows", b"r_rows", b"filtered", b"r_filtered"];

    pub fn of(&mut self, block: &[u8]) -> &[u8] {
        let mut lines = block.split(|byte| *byte == b'\n');
        let heading = lines.next().unwrap_or_default();
        if self.heading != heading {
            let words = heading.split(|byte| *byte == b'\t').take(u64::BITS as usize);
            let bits = words.zip(0..).map(|(word, nth)| u64::from(Self::NUMBERS.contains(&word)) << nth);
            self.numbers = bits.sum();
            self.heading = heading.to_vec();
        }
        self.bytes.clear();
        self.bytes.extend_from_slice(heading);
        for line in lines {
            self.bytes.push(b'\n');
            let mut numbers = self.numbers;
            for cell in line.split(|byte| *byte == b'\t') {
                // What is not ASCII may be no text, and then there is no plan.
                if numbers & 1 == 0 || !cell.is_ascii() {
                    self.bytes.extend_from_slice(cell);
                }
                self.bytes.push(b'\t');
                numbers >>= 1;
            }
        }
        &self.bytes
    }
}

/// One line under the words of the heading.
struct Row<'a> {
    heading: &'a [&'a str],
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    fn of(heading: &'a [&'a str], line: &'a str) -> Option<Row<'a>> {
        let cells: Vec<&str> = line.split('\t').collect();
        // A name that holds a tab makes more of them.
        (cells.len() == heading.len()).then_some(Row { heading, cells })
    }

    fn text(&self, column: &str) -> Option<&'a str> {
        let place = self.heading.iter().position(|word| *word == column)?;
        self.cells.get(place).copied().filter(|text| !text.is_empty() && *text != "NULL")
    }

    /// The first word: behind it may stand what a filter leaves, `10|2`, `12 (5%)`.
    fn number(&self, column: &str) -> Option<f64> {
        let number = self.text(column)?.split([' ', '|']).next()?.parse::<f64>().ok()?;
        Some(number).filter(|number| number.is_finite())
    }
}

struct Query<'a> {
    id: Option<&'a str>,
    kind: &'a str,
    steps: Vec<PlanNode>,
    /// Rows that came through the tables so far; each of them has the next one read.
    rows: Option<f64>,
}

impl<'a> Query<'a> {
    fn new(id: Option<&'a str>, kind: &'a str) -> Self {
        // What depends on a query around it is done as often as that has rows, and nobody tells how many those were.
        let is_done_once =
            !kind.starts_with("DEPENDENT") && !kind.starts_with("UNCACHEABLE") && kind != "LATERAL DERIVED";
        Query { id, kind, steps: Vec::new(), rows: is_done_once.then_some(1.0) }
    }

    fn join(&mut self, row: &Row<'_>) {
        let Some(access) = row.text("type") else { return };
        let word = access.split('|').next().unwrap_or_default();
        let extra = row.text("Extra").unwrap_or_default();
        let has_buffer = extra.contains("join buffer");
        let mut buffers = BUFFERS.into_iter().filter(|_| has_buffer);
        let buffer = buffers.find(|buffer| extra.contains(&format!("{buffer} join")));
        let of_mysql = MYSQL_BUFFERS.iter().find(|(words, _)| has_buffer && extra.contains(words));
        let buffer = buffer.or(of_mysql.map(|(_, buffer)| *buffer));
        let loops = self.rows;
        let (each, passes) = (row.number("r_rows"), row.number("r_filtered").map(|share| share / 100.0));
        let expected = row.number("rows");
        let came = loops.zip(each).map(|(loops, each)| loops * each);
        let went = came.zip(passes).map(|(came, passes)| came * passes);
        let key = row.text("key").and_then(|key| key.split('|').next()).filter(|key| !key.starts_with('#'));
        let work = Work {
            // With each row that waits in the buffer each row of the table is compared.
            compared: came.filter(|_| buffer == Some("BNL")),
            key_parts: row
                .text("ref")
                .filter(|_| word == "ref")
                .map(|values| values.split(',').count() as f64),
            index_filters: extra.contains("Using index condition"),
            ..Work::default()
        };
        self.steps.push(PlanNode {
            kind: known_access(word).to_owned(),
            relation: row.text("table").map(str::to_owned),
            index: key.map(str::to_owned),
            strategy: buffer.map(str::to_owned),
            rows_expected: expected.map(|rows| rows * row.number("filtered").unwrap_or(100.0) / 100.0),
            reads_expected: expected,
            rows: went,
            // A buffer is read for many rows at a time.
            loops: loops.filter(|_| buffer.is_none() && each.is_some()),
            rows_removed: each.zip(passes).map(|(each, passes)| each * (1.0 - passes)),
            filters: extra.contains("Using where"),
            work: (work != Work::default()).then(|| Box::new(work)),
            ..PlanNode::default()
        });
        // What a hash or a batch of keys lets through is not told in pairs.
        self.rows = went.filter(|_| matches!(buffer, None | Some("BNL")));
    }

    fn into_node(self) -> PlanNode {
        let kind = if KINDS.contains(&self.kind) { self.kind } else { "other" };
        PlanNode { kind: kind.to_owned(), children: self.steps, ..PlanNode::default() }
    }
}

/// How a buffer of rows is joined: by comparing all, by a hash, by looking keys up, by both. The longer words first.
const BUFFERS: [&str; 4] = ["BNLH", "BNL", "BKAH", "BKA"];

/// What MySQL calls them.
const MYSQL_BUFFERS: [(&str, &str); 3] =
    [("(hash join)", "hash join"), ("(Block Nested Loop)", "BNL"), ("(Batched Key Access)", "BKA")];

/// The server's word for how it reads a table.
pub fn known_access(word: &str) -> &'static str {
    ACCESS.iter().find(|known| **known == word).copied().unwrap_or("other")
}

const ACCESS: [&str; 18] = [
    "ALL",
    "index",
    "range",
    "ref",
    "eq_ref",
    "ref_or_null",
    "const",
    "system",
    "fulltext",
    "index_merge",
    "unique_subquery",
    "index_subquery",
    "hash_ALL",
    "hash_index",
    "hash_range",
    "hash_ref",
    "hash_index_merge",
    "hash_eq_ref",
];

const KINDS: &[&str] = &[
    "UPDATE",
    "DELETE",
    "REPLACE",
    "DEPENDENT DERIVED",
    "EXCEPT RESULT",
    "SIMPLE",
    "PRIMARY",
    "UNION",
    "UNION RESULT",
    "DEPENDENT UNION",
    "UNCACHEABLE UNION",
    "SUBQUERY",
    "DEPENDENT SUBQUERY",
    "UNCACHEABLE SUBQUERY",
    "DERIVED",
    "LATERAL DERIVED",
    "RECURSIVE UNION",
    "MATERIALIZED",
    "INSERT",
    "INTERSECT",
    "EXCEPT",
    "INTERSECT RESULT",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// As MariaDB 11.8 writes them.
    fn plan(rows: &[&str]) -> PlanNode {
        read(block(rows).as_bytes()).unwrap()
    }

    fn block(rows: &[&str]) -> String {
        const HEADING: &str = "id\tselect_type\ttable\ttype\tpossible_keys\tkey\tkey_len\tref\trows\tr_rows\tfiltered\tr_filtered\tExtra";
        [&[HEADING], rows].concat().iter().map(|row| format!("# explain: {row}\n")).collect()
    }

    #[test]
    fn a_join_is_told_table_by_table() {
        let joined = plan(&[
            "1\tSIMPLE\ta\tALL\tNULL\tNULL\tNULL\tNULL\t2000\t2000.00\t100.00\t100.00\tUsing where",
            "1\tSIMPLE\tb\tALL\tNULL\tNULL\tNULL\tNULL\t49824\t50000.00\t100.00\t0.10\tUsing where; Using join buffer (flat, BNL join)",
            "1\tSIMPLE\tm\tref\tabc\tabc\t8\tconst,shop.a.x\t12\t5.00\t100.00\t50.00\tUsing index condition",
        ]);
        assert_eq!(joined.shape(), "SIMPLE\n  ALL on a\n  BNL ALL on b\n  ref using abc on m\n");
        let [a, b, m] = &joined.children[..] else { panic!("{joined:?}") };
        assert_eq!(
            (a.loops, a.rows, a.rows_removed, a.rows_expected),
            (Some(1.0), Some(2e3), Some(0.0), Some(2e3))
        );
        assert_eq!((b.loops, b.rows, b.worked(|work| work.compared)), (None, Some(1e5), Some(1e8)));
        assert_eq!((m.loops, m.rows, m.rows_removed, m.filters), (Some(1e5), Some(2.5e5), Some(2.5), false));
        let work = m.work.as_deref().unwrap();
        assert_eq!((work.key_parts, work.index_filters, work.compared), (Some(2.0), true, None));
    }

    #[test]
    fn a_hash_and_what_is_done_for_each_row_of_others_tell_no_number() {
        let hashed = plan(&[
            "1\tPRIMARY\ta\tALL\tNULL\tNULL\tNULL\tNULL\t2000\t2000.00\t100.00\t100.00\t",
            "1\tPRIMARY\tb\thash_ALL\tNULL\t#hash#$hj\t5\tshop.a.x\t49824\t50000.00\t10.00\t100.00\tUsing where; Using join buffer (flat, BNLH join)",
            "1\tPRIMARY\tm\tref|filter\tabc,s_a\tabc|s_a\t4|23\tshop.a.x\t12492 (5%)\t49.99 (4%)\t100.00\t2.00\tUsing where; Using rowid filter",
            "2\tDEPENDENT SUBQUERY\tb\tALL\tNULL\tNULL\tNULL\tNULL\t49824\t50000.00\t100.00\t0.10\tUsing where",
            "NULL\tUNION RESULT\t<union1,2>\tALL\tNULL\tNULL\tNULL\tNULL\tNULL\t1002.00\tNULL\tNULL\t",
        ]);
        let shape = "PRIMARY\n  ALL on a\n  BNLH hash_ALL on b\n  ref using abc on m\n  DEPENDENT SUBQUERY\n    ALL on b\n  \
                     UNION RESULT\n    ALL on <union1,2>\n";
        assert_eq!(hashed.shape(), shape);
        let [_, b, m, inner, _] = &hashed.children[..] else { panic!("{hashed:?}") };
        assert_eq!((b.work.as_deref(), m.loops, m.rows, m.rows_expected), (None, None, None, Some(12_492.0)));
        assert_eq!((inner.children[0].loops, inner.children[0].rows), (None, None));
    }

    #[test]
    fn the_essence_of_a_plan_has_no_numbers() {
        let essence = |rows: &[&str]| Essence::default().of(block(rows).as_bytes()).to_vec();
        let row = |table: &str, numbers: &str| {
            format!("1\tSIMPLE\t{table}\tALL\tNULL\tNULL\tNULL\tNULL\t{numbers}\t")
        };
        let (few, many) = (row("t1", "7\t7.00\t100.00\t50.00"), row("t1", "12 (5%)\t9.50\t10.00\tNULL"));
        assert_eq!(essence(&[&few]), essence(&[&many]));
        for other in
            [&[few.as_str(), &few][..], &[&row("t2", "7\t7.00\t100.00\t50.00")], &[&row("t1", "7\t7.00")]]
        {
            assert_ne!(essence(&[&few]), essence(other), "{other:?}");
        }
    }

    #[test]
    fn what_is_no_plan_is_none() {
        let nothing = plan(&[
            "1\tSIMPLE\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\tNULL\tImpossible WHERE",
        ]);
        assert_eq!(nothing.shape(), "SIMPLE\n");
        let odd = plan(&["1\tgeheim\ta\tgeheim\tNULL\tNULL\tNULL\tNULL\t1\t1.00\t100.00\t100.00\t"]);
        assert_eq!(odd.shape(), "other\n  other on a\n");
        for text in
            ["", "# explain: ", "# explain: id\tselect_type\n# explain: 1\tSIMPLE\tx", &block(&["1\tSIMPLE"])]
        {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
