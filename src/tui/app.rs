//! The interface's state: which screen is in front, the screens, what lies over them. Each part minds its own.

use super::canvas::Seen;
use super::commands::Scope;
use super::data::Data;
use super::dialogs::Dialog;
use super::keymap::Keymap;
use super::screens::{
    Charts, Containers, Diff, Files, Images, Inspect, Layers, Logs, Networks, Search, Shells, Traffic, Transfers,
    Usage, Volumes,
};
use super::step::Page;
use super::theme::Theme;
use super::toast::Toasts;
use crate::model::Size;

/// All of it.
#[derive(Debug)]
pub struct App {
    pub data: Data,
    pub page: Page,
    /// Where Back leads, the nearest last.
    pub came_from: Vec<Page>,
    pub containers: Containers,
    pub images: Images,
    pub layers: Layers,
    pub search: Search,
    pub logs: Logs,
    pub charts: Charts,
    pub inspect: Inspect,
    pub shells: Shells,
    pub transfers: Transfers,
    pub networks: Networks,
    pub traffic: Traffic,
    pub usage: Usage,
    pub diff: Diff,
    pub files: Files,
    pub volumes: Volumes,
    /// What takes the keys before the screen; the last is in front.
    pub dialogs: Vec<Dialog>,
    pub toasts: Toasts,
    pub keymap: Keymap,
    pub theme: Theme,
    pub size: Size,
    /// What the last drawing put where.
    pub seen: Seen,
    /// Set when what is on the screen is no longer so.
    pub dirty: bool,
}

impl App {
    pub fn new(keymap: Keymap, theme: Theme, size: Size) -> Self {
        let mut app = Self {
            data: Data::default(),
            page: Page::Containers,
            came_from: Vec::new(),
            containers: Containers::default(),
            images: Images::default(),
            layers: Layers::default(),
            search: Search::default(),
            logs: Logs::default(),
            charts: Charts::default(),
            inspect: Inspect::default(),
            shells: Shells::default(),
            transfers: Transfers::default(),
            networks: Networks::default(),
            traffic: Traffic::default(),
            usage: Usage::default(),
            diff: Diff::default(),
            files: Files::default(),
            volumes: Volumes::default(),
            dialogs: Vec::new(),
            toasts: Toasts::default(),
            keymap,
            theme,
            size,
            seen: Seen::default(),
            dirty: true,
        };
        app.tell_colors();
        app.shells.fit(super::view::body(size));
        app
    }

    /// Tells the shells what ground they are drawn on.
    pub fn tell_colors(&mut self) {
        use super::theme::{Role, rgb_of};
        let ground = self.theme.style(Role::Background);
        let text = self.theme.style(Role::Text);
        let colors = text.fg.and_then(rgb_of).zip(ground.bg.and_then(rgb_of));
        self.shells.set_colors(colors);
    }

    /// Where keys are looked up, the innermost first.
    pub fn scopes(&self) -> &'static [Scope] {
        match self.page {
            Page::Containers => Containers::SCOPES,
            Page::Images => Images::SCOPES,
            Page::Layers(_) => Layers::SCOPES,
            Page::Search => self.search.scopes(),
            Page::Shells if self.shells.has_keys() => Shells::PANE_SCOPES,
            Page::Shells => Shells::SCOPES,
            Page::Transfers => Transfers::SCOPES,
            Page::Networks => Networks::SCOPES,
            Page::Usage => Usage::SCOPES,
            Page::Diff(_) => Diff::SCOPES,
            Page::Files(_) => self.files.scopes(),
            Page::Volumes => Volumes::SCOPES,
            Page::Logs(_) => Logs::SCOPES,
            Page::Charts(_) => Charts::SCOPES,
            Page::Traffic(_) => Traffic::SCOPES,
            Page::Inspect(_) => Inspect::SCOPES,
            Page::InspectImage(_) | Page::InspectNetwork(_) => Inspect::IMAGE_SCOPES,
        }
    }
}
