//! Reading a theme file. It refuses unknown keys, unknown colours and missing roles, and names the line.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ratatui::style::{Color, Modifier, Style};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Role;
use crate::model::{ErrorKind, printable_line};

/// Why a theme cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ThemeError {
    #[error("no theme called {}: there are {known}", printable_line(name))]
    Unknown { name: String, known: String },
    #[error("theme {origin}, line {line}: {message}")]
    Line { origin: String, line: usize, message: String },
    #[error("theme {origin} lacks the roles {roles}: copy their lines from a built-in theme")]
    Missing { origin: String, roles: String },
    #[error("cannot read theme {}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
}

impl ThemeError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown { .. } => ErrorKind::NotFound,
            Self::Read { .. } => ErrorKind::Other,
            Self::Line { .. } | Self::Missing { .. } => ErrorKind::InvalidInput,
        }
    }
}

type Styles = [Style; Role::ALL.len()];

/// Where a mistake stands, and what it is.
struct Mistake(std::ops::Range<usize>, String);

/// What a theme file says.
#[derive(Debug)]
pub(super) struct Read {
    pub styles: Styles,
    pub terminal: Option<[Color; 16]>,
}

/// Reads a theme file's text.
pub(super) fn read(origin: &str, text: &str) -> Result<Read, ThemeError> {
    let at = |Mistake(span, message): Mistake| ThemeError::Line {
        origin: origin.to_owned(),
        line: text.as_bytes()[..span.start.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1,
        message: printable_line(&message).into_owned(),
    };
    let document =
        DeTable::parse(text).map_err(|error| at(Mistake(error.span().unwrap_or(0..0), error.message().to_owned())))?;
    let mut palette = BTreeMap::new();
    let mut terminal = None;
    let mut found: [Option<Style>; Role::ALL.len()] = [None; Role::ALL.len()];
    for (key, value) in document.get_ref() {
        let section = key.get_ref().as_ref();
        let DeValue::Table(entries) = value.get_ref() else {
            return Err(at(Mistake(key.span(), format!("{section} is not a section: write [palette] and [roles]"))));
        };
        // Sections come sorted by name: the palette is known before the roles.
        match section {
            "palette" => palette = read_palette(entries).map_err(at)?,
            "roles" => read_roles(entries, &palette, &mut found).map_err(at)?,
            "terminal" => terminal = Some(read_terminal(key.span(), entries, &palette).map_err(at)?),
            _ => {
                let known = "palette, roles and terminal";
                return Err(at(Mistake(key.span(), format!("no section {section}: there are {known}"))));
            }
        }
    }
    let missing: Vec<_> = Role::ALL.iter().filter(|role| found[**role as usize].is_none()).map(|r| r.name()).collect();
    if !missing.is_empty() {
        return Err(ThemeError::Missing { origin: origin.to_owned(), roles: missing.join(", ") });
    }
    Ok(Read { styles: found.map(Option::unwrap_or_default), terminal })
}

/// The 16 colours of `colors`, black to white, then the bright ones.
fn read_terminal(
    section: std::ops::Range<usize>,
    entries: &DeTable<'_>,
    palette: &BTreeMap<String, Color>,
) -> Result<[Color; 16], Mistake> {
    let mut colors = Vec::new();
    for (key, value) in entries {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("colors", DeValue::Array(list)) => {
                for value in list.iter() {
                    colors.push(read_color(value, palette)?);
                }
            }
            _ => return Err(Mistake(key.span(), "terminal has one entry: colors = [16 colours]".into())),
        }
    }
    <[Color; 16]>::try_from(colors)
        .map_err(|colors| Mistake(section, format!("terminal needs 16 colors, not {}", colors.len())))
}

fn read_palette(entries: &DeTable<'_>) -> Result<BTreeMap<String, Color>, Mistake> {
    let mut palette = BTreeMap::new();
    for (name, value) in entries {
        palette.insert(name.get_ref().to_string(), read_color(value, &palette)?);
    }
    Ok(palette)
}

fn read_roles(
    entries: &DeTable<'_>,
    palette: &BTreeMap<String, Color>,
    found: &mut [Option<Style>],
) -> Result<(), Mistake> {
    for (name, value) in entries {
        let role = Role::ALL.iter().find(|role| role.name() == name.get_ref().as_ref());
        let role = role.ok_or_else(|| Mistake(name.span(), format!("no role {}", name.get_ref())))?;
        found[*role as usize] = Some(read_style(value, palette)?);
    }
    Ok(())
}

/// A style: a colour's text for the foreground, or a table with fg, bg and attributes.
fn read_style(value: &Spanned<DeValue<'_>>, palette: &BTreeMap<String, Color>) -> Result<Style, Mistake> {
    let DeValue::Table(table) = value.get_ref() else {
        return Ok(Style::new().fg(read_color(value, palette)?));
    };
    let mut style = Style::new();
    for (key, value) in table {
        let modifier = match key.get_ref().as_ref() {
            "fg" => {
                style = style.fg(read_color(value, palette)?);
                continue;
            }
            "bg" => {
                style = style.bg(read_color(value, palette)?);
                continue;
            }
            "bold" => Modifier::BOLD,
            "dim" => Modifier::DIM,
            "italic" => Modifier::ITALIC,
            "underline" => Modifier::UNDERLINED,
            "reverse" => Modifier::REVERSED,
            other => {
                let known = "fg, bg, bold, dim, italic, underline and reverse";
                return Err(Mistake(key.span(), format!("no attribute {other}: there are {known}")));
            }
        };
        match value.get_ref() {
            DeValue::Boolean(true) => style = style.add_modifier(modifier),
            DeValue::Boolean(false) => {}
            _ => return Err(Mistake(value.span(), format!("{} is true or false", key.get_ref()))),
        }
    }
    Ok(style)
}

/// A colour: a name of the palette, `#rrggbb`, `default`, a number from 0 to 255, or one of the 16 names.
fn read_color(value: &Spanned<DeValue<'_>>, palette: &BTreeMap<String, Color>) -> Result<Color, Mistake> {
    let bad = |text: &str| {
        Mistake(value.span(), format!("no colour {text}: write a palette name, \"#rrggbb\", \"default\" or 0 to 255"))
    };
    match value.get_ref() {
        DeValue::String(text) => match (palette.get(text.as_ref()), text.as_ref()) {
            (Some(color), _) => Ok(*color),
            (None, "default") => Ok(Color::Reset),
            (None, text) => text.parse().map_err(|_| bad(text)),
        },
        DeValue::Integer(number) => number.as_str().parse().map(Color::Indexed).map_err(|_| bad(number.as_str())),
        _ => Err(bad("of that kind")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        read("x.toml", text).expect_err(text).to_string()
    }

    #[test]
    fn theme_with_mistakes_names_the_line() {
        for (text, expected) in [
            ("[roles]\n\ntext = 'mauve-ish'", "theme x.toml, line 3: no colour mauve-ish"),
            ("[roles]\nno_such = '#fff000'", "line 2: no role no_such"),
            ("[roles]\ntext = { fg = 'red', blink = true }", "line 2: no attribute blink"),
            ("[roles]\ntext = { bold = 1 }", "line 2: bold is true or false"),
            ("[roles]\ntext = 256", "line 2: no colour 256"),
            ("[roles]\ntext = []", "line 2: no colour of that kind"),
            ("[colors]\n", "line 1: no section colors"),
            ("palette = 1", "line 1: palette is not a section"),
            ("[roles]\ntext = 'red'\ntext = 'red'", "line 3: "),
            ("[roles\n", "line 1: "),
        ] {
            assert!(error(text).contains(expected), "{}", error(text));
        }
    }

    #[test]
    fn theme_without_all_roles_names_them() {
        let text = error("[roles]\ntext = 'red'");
        assert!(text.starts_with("theme x.toml lacks the roles background, surface"), "{text}");
        assert!(!text.contains(", text"), "{text}");
    }

    #[test]
    fn theme_error_never_shows_escape_sequences() {
        assert!(!error("[roles]\ntext = \"\\u001b[2J\"").contains('\x1b'));
    }
}
