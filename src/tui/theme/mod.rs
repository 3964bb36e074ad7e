//! Themes: which colours and attributes each role on the screen has. A theme is a TOML file; five are built in.
//!
//! Drawing code asks for a [`Role`], never for a colour. Roles that stand on any background set only a foreground.

mod color;
mod parse;

use std::path::Path;

use ratatui::style::{Color, Style};

pub use color::{ColorDepth, blend, contrast, degrade, nearest, rgb_of};
pub use parse::ThemeError;

/// What a piece of the screen means; each theme file has one entry for every role, under the same name.
macro_rules! roles {
    ($($role:ident = $name:literal),+ $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role { $($role),+ }
        impl Role {
            /// Every role, in the order theme files list them.
            pub const ALL: &'static [Role] = &[$(Role::$role),+];
            /// The name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Role::$role => $name),+ }
            }
        }
    };
}

roles! {
    // Grounds: they set a background.
    Background = "background",
    Surface = "surface",
    Selected = "selected",
    SelectedInactive = "selected_inactive",
    Input = "input",
    Bar = "bar",
    BarEmpty = "bar_empty",
    Button = "button",
    ButtonFocused = "button_focused",
    TabActive = "tab_active",
    Key = "key",
    Found = "found",
    // Writing: a foreground only.
    Text = "text",
    Dim = "dim",
    Title = "title",
    Accent = "accent",
    Header = "header",
    KeyText = "key_text",
    Tab = "tab",
    Placeholder = "placeholder",
    Matched = "matched",
    Ok = "ok",
    Warn = "warn",
    Error = "error",
    Paused = "paused",
    Info = "info",
    // Lines and charts.
    Border = "border",
    BorderFocused = "border_focused",
    Scrollbar = "scrollbar",
    BarTrack = "bar_track",
    ChartCpu = "chart_cpu",
    ChartMemory = "chart_memory",
    ChartNetwork = "chart_network",
    ChartDisk = "chart_disk",
    ChartGrid = "chart_grid",
}

/// The styles of all roles, fitted to what the terminal can show.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    name: String,
    depth: ColorDepth,
    styles: [Style; Role::ALL.len()],
    /// The first 16 colours inside a terminal pane, where the theme has its own ground.
    terminal: Option<[Color; 16]>,
}

const BUILT_IN: [(&str, &str); 5] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("light", include_str!("../../../themes/light.toml")),
    ("high-contrast", include_str!("../../../themes/high-contrast.toml")),
    ("sixteen", include_str!("../../../themes/sixteen.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

impl Default for Theme {
    /// The built-in dark theme in full colour.
    fn default() -> Self {
        Self::built_in("dark", ColorDepth::True).expect("the dark theme is built in and tested")
    }
}

impl Theme {
    /// The theme called `name`: `folder/name.toml` if it is there, else the built-in one.
    ///
    /// Without a name it is `dark`, on terminals of 16 colours `sixteen`. Where colour is unwanted it is always `mono`.
    pub fn load(name: Option<&str>, folder: Option<&Path>, depth: ColorDepth) -> Result<Self, ThemeError> {
        let name = match depth {
            ColorDepth::None => "mono",
            ColorDepth::Sixteen => name.unwrap_or("sixteen"),
            _ => name.unwrap_or("dark"),
        };
        // A name is one file's name: nothing that could lead out of the folder.
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(ThemeError::Unknown { name: name.into(), known: Self::names(folder).join(", ") });
        }
        if let Some(folder) = folder {
            let path = folder.join(format!("{name}.toml"));
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(name, &path.display().to_string(), &text, depth),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(ThemeError::Read { path, error }),
            }
        }
        Self::built_in(name, depth)
            .ok_or_else(|| ThemeError::Unknown { name: name.into(), known: Self::names(folder).join(", ") })
    }

    /// The built-in theme of that name.
    pub fn built_in(name: &str, depth: ColorDepth) -> Option<Self> {
        let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(name, name, text, depth).expect("built-in themes are tested"))
    }

    /// Names of all themes: the built-in ones and the files of `folder`, sorted.
    pub fn names(folder: Option<&Path>) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for entry in folder.and_then(|folder| folder.read_dir().ok()).into_iter().flatten().flatten() {
            if let Some(name) = entry.file_name().to_str().and_then(|file| file.strip_suffix(".toml")) {
                names.push(crate::model::printable_line(name).into_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// A theme from the text of its file; `origin` names it in errors.
    pub fn parse(name: &str, origin: &str, text: &str, depth: ColorDepth) -> Result<Self, ThemeError> {
        let read = parse::read(origin, text)?;
        let styles = read.styles.map(|style| degrade(style, depth));
        let terminal = read.terminal.map(|colors| colors.map(|color| nearest(color, depth)));
        Ok(Self { name: name.to_owned(), depth, styles, terminal })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many colours the terminal shows.
    pub fn depth(&self) -> ColorDepth {
        self.depth
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    /// The foreground colour of a role, the terminal's own where the theme sets none.
    pub fn color(&self, role: Role) -> Color {
        self.style(role).fg.unwrap_or(Color::Reset)
    }

    /// The colour that a program inside a terminal pane means by a number.
    pub fn indexed(&self, index: u8) -> Color {
        match self.terminal.as_ref().and_then(|colors| colors.get(usize::from(index))) {
            Some(color) => *color,
            None => nearest(Color::Indexed(index), self.depth),
        }
    }

    /// Whether the theme paints on a bright ground.
    pub fn is_light(&self) -> bool {
        let luminance = |color| rgb_of(color).map(color::luminance);
        self.style(Role::Background).bg.and_then(luminance).is_some_and(|l| l > 0.5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_themes_all_parse_at_every_depth() {
        for (name, text) in BUILT_IN {
            for depth in [ColorDepth::None, ColorDepth::Sixteen, ColorDepth::TwoFiftySix, ColorDepth::True] {
                let theme = Theme::parse(name, name, text, depth).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(theme.name(), name);
            }
        }
    }

    /// WCAG 2.2, 1.4.3: text needs 4.5 to 1; 1.4.11: lines and graphics that carry meaning need 3 to 1.
    #[test]
    fn built_in_themes_texts_contrast_with_every_ground() {
        use Role::*;
        let mut failures = Vec::new();
        for name in ["dark", "light", "high-contrast"] {
            let theme = Theme::built_in(name, ColorDepth::True).expect("built in");
            let mut check = |fg: Option<Color>, bg: Option<Color>, what: String, least: f64| {
                let ratio = match (fg.and_then(rgb_of), bg.and_then(rgb_of)) {
                    (Some(fg), Some(bg)) => contrast(fg, bg),
                    _ => 0.0,
                };
                if ratio < least {
                    failures.push(format!("{name}: {what}: {ratio:.2} < {least}"));
                }
            };
            let least = if name == "high-contrast" { 7.0 } else { 4.5 };
            for ground in [Background, Surface, Selected, SelectedInactive] {
                for text in [Text, Dim, Title, Accent, Header, KeyText, Tab, Matched, Ok, Warn, Error, Paused, Info] {
                    // Header, tabs and hints are never drawn upon a selected row.
                    if matches!(ground, Selected | SelectedInactive) && matches!(text, Header | KeyText | Tab) {
                        continue;
                    }
                    let (fg, bg) = (theme.style(text).fg, theme.style(ground).bg);
                    check(fg, bg, format!("{} on {}", text.name(), ground.name()), least);
                }
            }
            for role in [Selected, SelectedInactive, Input, Bar, BarEmpty, Button, ButtonFocused, TabActive, Key, Found]
            {
                let style = theme.style(role);
                check(style.fg, style.bg, format!("{} on itself", role.name()), 4.5);
            }
            check(theme.style(Placeholder).fg, theme.style(Input).bg, "placeholder on input".into(), 4.5);
            for line in [BorderFocused, ChartCpu, ChartMemory, ChartNetwork, ChartDisk] {
                for ground in [Background, Surface] {
                    check(theme.style(line).fg, theme.style(ground).bg, line.name().into(), 3.0);
                }
            }
        }
        assert!(failures.is_empty(), "{failures:#?}");
    }

    #[test]
    fn theme_load_prefers_the_folder_and_falls_back_to_built_in() {
        let folder = tempfile::tempdir().expect("tempdir");
        let mine = BUILT_IN[0].1.replace("name", "# name");
        std::fs::write(folder.path().join("mine.toml"), mine).expect("write");
        assert!(Theme::load(Some("mine"), Some(folder.path()), ColorDepth::True).is_ok());
        assert_eq!(Theme::load(None, Some(folder.path()), ColorDepth::True).expect("dark").name(), "dark");
        assert_eq!(Theme::load(None, None, ColorDepth::Sixteen).expect("sixteen").name(), "sixteen");
        assert_eq!(Theme::load(Some("light"), None, ColorDepth::None).expect("mono").name(), "mono");
    }

    #[test]
    fn theme_load_of_unknown_or_leading_out_names_lists_the_known_ones() {
        for name in ["nope", "../dark", "", ".hidden", "a/b"] {
            let error = Theme::load(Some(name), None, ColorDepth::True).expect_err(name).to_string();
            assert!(error.contains("dark, high-contrast, light, mono, sixteen"), "{error}");
        }
    }

    #[test]
    fn theme_is_light_only_for_light_grounds() {
        let is_light = |name| Theme::built_in(name, ColorDepth::True).expect("built in").is_light();
        assert!(is_light("light"));
        assert!(!is_light("dark"));
        assert!(!is_light("mono"));
    }
}
