//! What the service answers, as text or JSON.

use crate::exit;
use crate::failure::Failure;
use crate::output::{self, plain_json, printable};
use serde::Serialize;
use serde_json::Value;

/// Prints one document.
pub(super) fn one(document: &impl Serialize, json: bool) -> Result<(), Failure> {
    let value = value(document)?;
    if json {
        return pretty(&value);
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    // Any server may answer, and none must command the terminal.
    let names: Vec<String> = members.keys().map(|name| printable(name)).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default();
    for (name, member) in names.iter().zip(members.values()) {
        output::line(format_args!("{name:<width$}  {}", text(member)));
    }
    Ok(())
}

/// Prints documents, one in a line; or all in one array.
pub(super) fn all<T: Serialize>(
    documents: &[T],
    columns: &[&str],
    json: bool,
) -> Result<(), Failure> {
    let headed: Vec<(&str, &str)> = columns.iter().map(|path| ("", *path)).collect();
    table(documents, &headed, json)
}

/// The same with a heading over each column, unless all are empty; each column is a heading and the
/// path of a member.
pub(super) fn table<T: Serialize>(
    documents: &[T],
    columns: &[(&str, &str)],
    json: bool,
) -> Result<(), Failure> {
    if json {
        return list(documents);
    }
    let values = documents.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let cell = |value: &Value, path: &str| value.pointer(path).map_or("-".to_owned(), text);
    let mut rows: Vec<Vec<String>> = values
        .iter()
        .map(|value| columns.iter().map(|(_, path)| cell(value, path)).collect())
        .collect();
    if columns.iter().any(|(heading, _)| !heading.is_empty()) {
        rows.insert(0, columns.iter().map(|(heading, _)| (*heading).to_owned()).collect());
    }
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        output::line(cells.join("  ").trim_end());
    }
    Ok(())
}

/// Prints documents as one JSON array.
pub(super) fn list<T: Serialize>(documents: &[T]) -> Result<(), Failure> {
    let values = documents.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    pretty(&Value::Array(values))
}

/// Says that something is gone; JSON has nothing to say.
pub(super) fn deleted(what: &str, name: &str, json: bool) {
    if !json {
        output::line(format_args!("{what} {name} is deleted."));
    }
}

fn value(document: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(document)
        .map_err(|error| Failure::new(exit::OTHER, "the answer cannot be shown").why(error))
}

fn pretty(value: &Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new(exit::OTHER, "the answer cannot be shown").why(error))?;
    output::line(plain_json(&text));
    Ok(())
}

/// A text as it is, everything else as JSON; without what a terminal would obey, wherever the service
/// has it from.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => plain_json(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_server_answers_cannot_command_the_terminal() {
        assert_eq!(text(&json!("a\u{1b}[2J\n\u{9b}1m")), "a\\u{1b}[2J\\u{a}\\u{9b}1m");
        assert_eq!(text(&json!({"\u{9b}": ["\u{7f}"]})), "{\"\\u009b\":[\"\\u007f\"]}");
        assert_eq!(text(&json!("h\u{e4}ll")), "h\u{e4}ll");
    }
}
