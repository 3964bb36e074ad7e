//! `history`: the steps an image was made in, with what each added.

use clap::Args;

use super::failure::Outcome;
use super::format::{Column, Format, Row, show};
use super::output::Output;
use super::wording::{ago, ellipsis, size};
use crate::engine::Engine;
use crate::model::{HistoryLine, Timestamp};

/// Show how an image was made, the newest step first.
#[derive(Args, Clone, Debug)]
pub struct History {
    /// Do not cut commands and ids
    #[arg(long)]
    no_trunc: bool,
    /// Only ids
    #[arg(short, long)]
    quiet: bool,
    /// Sizes and times for people; --human=false for plain numbers
    #[arg(short = 'H', long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// json, a template such as {{.CreatedBy}}, or table and a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    #[arg(value_name = "IMAGE")]
    image: String,
}

const SHOWN: [Column; 5] =
    [("ID", "IMAGE"), ("Created", "CREATED"), ("CreatedBy", "CREATED BY"), ("Size", "SIZE"), ("Comment", "COMMENT")];
const ALL: [Column; 3] = [("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"), ("Author", "AUTHOR")];

/// As long as Docker's column.
const COMMAND_WIDTH: usize = 45;
/// The steps' images were never kept, neither here nor in a registry.
const MISSING: &str = "<missing>";

pub fn history(engine: &Engine, wish: &History) -> Outcome {
    let (image, lines) = engine.history(&wish.image)?;
    let id = image.summary.id.map(|id| if wish.no_trunc { id.to_string() } else { id.short().to_owned() });
    let ids = std::iter::once(id.unwrap_or_else(|| MISSING.to_owned())).chain(std::iter::repeat(MISSING.to_owned()));
    let mut out = Output::open();
    if wish.quiet && wish.format.is_none() {
        for (id, _) in ids.zip(&lines) {
            out.line(&id)?;
        }
        out.flush()?;
        return Ok(0);
    }
    let now = Timestamp::now();
    let rows: Vec<Row> = ids.zip(&lines).map(|(id, line)| row(id, line, wish, now)).collect();
    show(&mut out, &wish.format.clone().unwrap_or_default(), &SHOWN, &ALL, &rows)?;
    Ok(0)
}

fn row(id: String, line: &HistoryLine, wish: &History, now: Timestamp) -> Row {
    let command = line.created_by.replace(['\t', '\n'], " ");
    let at = line.created.map_or_else(|| "N/A".to_owned(), |time| time.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let since = line.created.map_or_else(|| "N/A".to_owned(), |time| ago(time, now));
    let bytes = line.size_bytes;
    Row::new([
        ("ID", id),
        ("Created", if wish.human { since.clone() } else { at.clone() }),
        ("CreatedSince", since),
        ("CreatedAt", at),
        ("CreatedBy", if wish.no_trunc { command } else { ellipsis(&command, COMMAND_WIDTH) }),
        (
            "Size",
            match (bytes, wish.human) {
                (None, _) => "N/A".to_owned(),
                (Some(bytes), true) => size(bytes),
                (Some(bytes), false) => bytes.to_string(),
            },
        ),
        ("Comment", line.comment.clone()),
        ("Author", line.author.clone()),
    ])
}
