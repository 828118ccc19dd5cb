use super::text::{fill, indent, table};
use crate::command::{Exit, print};
use crate::config::{nearest, width};
use crate::rules::{Page, pages};
use std::io;

/// List the pages of the handbook, or read one
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The page
    id: Option<String>,
}

pub fn execute(args: &Args) -> io::Result<Exit> {
    let pages = pages();
    let Some(id) = &args.id else {
        let rows: Vec<Vec<String>> =
            pages.iter().map(|page| vec![page.id.to_owned(), page.summary.clone()]).collect();
        print(&table(&rows, width()))?;
        return Ok(Exit::Fine);
    };
    match pages.iter().find(|page| page.id == id) {
        Some(page) => {
            print(&read(page, width()))?;
            Ok(Exit::Fine)
        }
        None => {
            eprintln!("error: there is no rule `{id}`");
            if let Some(known) = nearest(id, pages.iter().map(|page| page.id)) {
                eprintln!("help: did you mean `{known}`?");
            }
            Ok(Exit::Usage)
        }
    }
}

fn read(page: &Page, width: usize) -> String {
    let mut said = format!("{} ({})\n\n", page.title, page.id);
    for paragraph in page.body.split("\n\n") {
        match paragraph.strip_prefix("## ") {
            Some(heading) => said.push_str(&format!("{}\n", heading.trim().to_uppercase())),
            // Code stays as it is written.
            None if paragraph.starts_with("```") => {
                said.push_str(&format!("{}\n", indent(&code(paragraph), 6)))
            }
            None => said.push_str(&format!("{}\n", indent(&fill(paragraph, width.saturating_sub(2)), 2))),
        }
    }
    if !page.thresholds.is_empty() {
        said.push_str(&format!("THRESHOLDS in [rules.{}]\n", page.id));
        let row = |(name, default, about): &(String, String, String)| {
            vec![format!("{name} = {default}"), about.clone()]
        };
        let rows: Vec<Vec<String>> = page.thresholds.iter().map(row).collect();
        said.push_str(&indent(&table(&rows, width.saturating_sub(2)), 2));
    }
    if !page.mended_with.is_empty() {
        let others = fill(&page.mended_with.join(", "), width.saturating_sub(2));
        said.push_str(&format!("\nTOLD AS A PART OF, where both are found\n{}", indent(&others, 2)));
    }
    said
}

fn code(paragraph: &str) -> String {
    paragraph.lines().filter(|line| !line.starts_with("```")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_read() {
        for page in pages() {
            let text = read(&page, 80);
            assert!(text.contains("WHY IT HURTS") && text.contains(page.id), "{text}");
            assert!(!text.contains("## "), "{text}");
        }
    }
}
