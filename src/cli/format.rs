//! `--format`: a table, JSON lines, or a template, made of rows.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::failure::Failure;
use super::output::Output;
use super::table::layout;
use super::template::{Subject, Template, TemplateError};

/// A field that rows have and the heading its column gets.
pub type Column = (&'static str, &'static str);

/// One object to show: Docker's field names with their shown values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub fields: Map<String, Value>,
    /// What `.Label "key"` looks in; none where rows have no labels.
    pub labels: Option<BTreeMap<String, String>>,
}

impl Row {
    pub fn new(fields: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
        Self { fields, labels: None }
    }

    fn cell(&self, field: &str) -> String {
        match self.fields.get(field) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

/// How to show rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Format {
    #[default]
    Table,
    /// `table {{.A}}\t{{.B}}`: the template for each row, and for the headings.
    TableOf(Template),
    /// One JSON object a line.
    Json,
    /// The template for each row.
    Template(Template),
}

impl FromStr for Format {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        // As Docker does, since shells do not.
        let unescaped = |text: &str| text.replace("\\t", "\t").replace("\\n", "\n");
        match text {
            "table" | "" => Ok(Self::Table),
            "json" | "{{json .}}" => Ok(Self::Json),
            _ => match text.strip_prefix("table ") {
                Some(template) => Ok(Self::TableOf(unescaped(template.trim_start()).parse()?)),
                None => Ok(Self::Template(unescaped(text).parse()?)),
            },
        }
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self::usage(error.to_string())
            .with_hint("--format takes json, a template such as {{.Names}}, or table and a template")
    }
}

/// The text of `rows`: `shown` are the table's columns, `all` every field's heading.
pub fn render(format: &Format, shown: &[Column], all: &[Column], rows: &[Row]) -> Result<String, Failure> {
    let mut text = String::new();
    match format {
        Format::Table => {
            let heading = shown.iter().map(|(_, heading)| (*heading).to_owned()).collect();
            let cells = rows.iter().map(|row| shown.iter().map(|(field, _)| row.cell(field)).collect());
            text = layout(&std::iter::once(heading).chain(cells).collect::<Vec<_>>());
        }
        Format::TableOf(template) => {
            let mut table = vec![cells(&headings(template, shown, all)?)];
            for row in rows {
                table.push(cells(&filled(template, row)?));
            }
            text = layout(&table);
        }
        Format::Json => {
            for row in rows {
                text.push_str(&serde_json::to_string(&row.fields).map_err(|error| Failure::new(error.to_string()))?);
                text.push('\n');
            }
        }
        Format::Template(template) => {
            if rows.is_empty() {
                // A misspelt field is an error on a machine without containers, too.
                headings(template, shown, all)?;
            }
            for row in rows {
                text.push_str(&filled(template, row)?);
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// Renders and writes.
pub fn show(out: &mut Output, format: &Format, shown: &[Column], all: &[Column], rows: &[Row]) -> Result<(), Failure> {
    let text = render(format, shown, all, rows)?;
    out.text(&text)?;
    Ok(out.flush()?)
}

fn cells(line: &str) -> Vec<String> {
    line.split('\t').map(str::to_owned).collect()
}

fn filled(template: &Template, row: &Row) -> Result<String, Failure> {
    let fields = Value::Object(row.fields.clone());
    Ok(template.fill(Subject { fields: &fields, labels: row.labels.as_ref() })?)
}

/// The template filled with headings instead of values.
fn headings(template: &Template, shown: &[Column], all: &[Column]) -> Result<String, Failure> {
    let columns = shown.iter().chain(all);
    let fields: Map<_, _> =
        columns.map(|(field, heading)| ((*field).to_owned(), Value::String((*heading).to_owned()))).collect();
    let labels = BTreeMap::new();
    Ok(template.fill(Subject { fields: &Value::Object(fields), labels: Some(&labels) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: [Column; 2] = [("ID", "CONTAINER ID"), ("Names", "NAMES")];
    const ALL: [Column; 1] = [("State", "STATE")];

    fn shown(format: &str) -> Result<String, String> {
        let mut rows = vec![
            Row::new([("ID", "0a".to_owned()), ("Names", "web".to_owned()), ("State", "running".to_owned())]),
            Row::new([("ID", "0b".to_owned()), ("Names", "\u{1b}[1m".to_owned()), ("State", "exited".to_owned())]),
        ];
        rows[0].labels = Some(BTreeMap::from([("a".to_owned(), "1".to_owned())]));
        rows[1].labels = Some(BTreeMap::new());
        let format = format.parse::<Format>().map_err(|error| error.to_string())?;
        render(&format, &SHOWN, &ALL, &rows).map_err(|failure| failure.message)
    }

    #[test]
    fn formats_of_rows() {
        let shown: Vec<String> = ["table", "json", "{{.Names}}", "table {{.ID}}\\t{{.State}}", "{{.Label \"a\"}}"]
            .iter()
            .map(|format| format!("{format}\n{}", shown(format).expect("valid")))
            .collect();
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn format_with_unknown_field_names_the_known() {
        let format: Format = "{{.Nope}}".parse().expect("valid");
        assert!(render(&format, &SHOWN, &ALL, &[]).is_err());
        assert_eq!(shown("{{.Nope}}"), Err("template: no field Nope; there are ID, Names, State".to_owned()));
    }
}
