//! How long files and functions are: numbers to see a drift by, not limits.

use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// A function beyond this many lines counts as long.
const LONG: usize = 70;

/// One line with the sizes of all source files under `crates/`, tests inside them left out.
///
/// Errors: where a file cannot be read.
pub(crate) fn line() -> anyhow::Result<String> {
    let mut files = Vec::new();
    for file in sources(Path::new("crates"))? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("`{}`", file.display()))?;
        let product: Vec<&str> = text.lines().take_while(|line| *line != "#[cfg(test)]").collect();
        files.push((product.len(), long_functions(&product), file));
    }
    files.sort();
    let lines = |place: usize| files.get(place).map_or(0, |(lines, ..)| *lines);
    let longest = files.last().map_or_else(String::new, |(.., file)| file.display().to_string());
    Ok(format!(
        "sizes: {} files; lines of a file: median {}, p90 {}, longest {} ({longest}); functions beyond {LONG} lines: {}",
        files.len(),
        lines(files.len() / 2),
        lines(files.len().saturating_mul(9) / 10),
        lines(files.len().saturating_sub(1)),
        files.iter().map(|(_, long, _)| long).sum::<usize>(),
    ))
}

/// All Rust files below any `src`.
fn sources(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") && is_product(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_product(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "src")
}

/// How many functions are long. A function ends where a brace closes at the depth it began at, as `rustfmt` sets it.
fn long_functions(lines: &[&str]) -> usize {
    let begins = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    begins.filter(|(place, line)| length(lines, *place, indent(line)) > LONG).count()
}

fn length(lines: &[&str], place: usize, depth: usize) -> usize {
    let body = lines.iter().skip(place);
    let end = format!("{}}}", " ".repeat(depth));
    body.take_while(|line| line.trim_end() != end).count().saturating_add(1)
}

fn is_function(line: &str) -> bool {
    let head = line.split('(').next().unwrap_or_default();
    let head = if head.trim() == "pub" { line } else { head };
    head.split_whitespace().any(|word| word == "fn")
        && !line.trim_end().ends_with([';', '}'])
        && !line.trim().starts_with("//")
}

fn indent(line: &str) -> usize {
    line.len().saturating_sub(line.trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_as_long_as_from_its_head_to_its_brace() {
        let long =
            format!("impl A {{\n    pub(crate) fn b(&self) {{\n{}    }}\n}}", "        c();\n".repeat(LONG));
        let short = "fn a() {}\n// a fn in words\nfn b() {\n}\n    fn c(&self);\n".to_owned();
        assert_eq!(long_functions(&long.lines().collect::<Vec<_>>()), 1);
        assert_eq!(long_functions(&short.lines().collect::<Vec<_>>()), 0);
    }
}
