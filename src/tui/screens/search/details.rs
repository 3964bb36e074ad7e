//! One repository before it is pulled: its tags, narrowed by typing, and the platforms of the chosen tag.

use std::collections::HashSet;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::{AS_TYPED, draw_details};
use crate::model::{
    DetailEvent, ImageSummary, Platform, PlatformFacts, Reference, RepositoryFacts, SearchHit, TagFacts,
};
use crate::tui::action::Problem;
use crate::tui::canvas::{Canvas, Target};
use crate::tui::commands::Command;
use crate::tui::data::Data;
use crate::tui::effect::Effect;
use crate::tui::filter::matcher;
use crate::tui::list::{List, Move, Sort};
use crate::tui::list_keys;
use crate::tui::step::Step;
use crate::tui::table::{Align, Column};
use crate::tui::transfer::PullWish;

/// Tags that are asked for at first, where the registry gives them page by page with all that is known of them.
const FIRST_TAGS: usize = 100;
/// How many times more are asked for when the list's end is reached.
const MORE: usize = 3;

pub const COLUMNS: [Column; 3] = [
    Column { title: "TAG", min: 14, max: 48, align: Align::Left, priority: 0 },
    Column { title: "UPDATED", min: 9, max: 10, align: Align::Right, priority: 2 },
    Column { title: "SIZE", min: 7, max: 8, align: Align::Right, priority: 1 },
];
const UPDATED: usize = 1;
const SIZE: usize = 2;
/// Latest first: no column.
const BEST: usize = usize::MAX;

/// Which of the two lists has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Tags,
    Platforms,
}

/// A request under way, or how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Asking {
    #[default]
    Idle,
    UnderWay(u64),
    Failed(Problem),
}

impl Asking {
    fn is(&self, request: u64) -> bool {
        *self == Self::UnderWay(request)
    }
}

/// What is known of a tag here on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    No,
    Same,
    /// The registry has another image under this tag by now.
    Other,
}

#[derive(Clone, Debug)]
pub struct Details {
    /// The repository, with the tag or digest that it was opened with.
    pub reference: Reference,
    pub facts: RepositoryFacts,
    /// In their order; kept sorted.
    tags: Vec<TagFacts>,
    /// The tags that are shown, by their place, after the letters that were typed and the column that was chosen.
    order: Vec<usize>,
    /// Their names, as the list knows them.
    keys: Vec<String>,
    /// How many there are, of those that have the letters in them that were asked for.
    pub total: Option<u64>,
    pub tags_asked: Asking,
    /// The letters that the registry was asked for last, and how many tags.
    asked_for: (String, usize),
    pub list: List<String>,
    /// The platforms of one tag, as the registry told them apart from the tags.
    told: Option<(String, Vec<PlatformFacts>)>,
    pub platforms_asked: Asking,
    pub platforms: List<String>,
    pub part: Part,
}

impl Details {
    /// Opens what was found; asks for its tags.
    pub fn open(hit: &SearchHit, request: &mut u64) -> Option<(Self, Vec<Step>)> {
        let reference: Reference = hit.name.parse().ok()?;
        let facts = RepositoryFacts {
            description: if hit.description == AS_TYPED { String::new() } else { hit.description.clone() },
            stars: hit.stars,
            pulls: hit.pulls,
            official: hit.official,
            updated: None,
        };
        let mut details = Self {
            reference,
            facts,
            tags: Vec::new(),
            order: Vec::new(),
            keys: Vec::new(),
            total: None,
            tags_asked: Asking::Idle,
            asked_for: (String::new(), FIRST_TAGS),
            list: List::new(Sort { column: BEST, descending: false }),
            told: None,
            platforms_asked: Asking::Idle,
            platforms: List::new(Sort::ascending(0)),
            part: Part::Tags,
        };
        if let Some(digest) = details.reference.digest() {
            // What is named by its digest has no tags to choose from.
            details.tags = vec![TagFacts { name: digest.to_string(), ..TagFacts::default() }];
            details.total = Some(1);
            let steps = details.arrange(request);
            return Some((details, steps));
        }
        if let Some(tag) = written_tag(&hit.name) {
            details.list.filter.text = tag.to_owned();
        }
        let steps = vec![details.ask_tags(request)];
        Some((details, steps))
    }

    /// Docker Hub gives tags page by page and finds letters in them; other registries give all names, found in here.
    fn is_paged(&self) -> bool {
        self.reference.registry() == "docker.io" && self.reference.digest().is_none()
    }

    fn ask_tags(&mut self, request: &mut u64) -> Step {
        *request += 1;
        self.tags_asked = Asking::UnderWay(*request);
        let text = self.list.filter.text.trim();
        self.asked_for.0 = if self.is_paged() { text.to_owned() } else { String::new() };
        let (narrowed, mut limit) = self.asked_for.clone();
        if !self.is_paged() {
            limit = usize::MAX;
        }
        Step::Do(Effect::ListTags { request: *request, repository: self.reference.clone(), narrowed, limit })
    }

    /// Puts the tags in order, and what is chosen among them right.
    fn arrange(&mut self, request: &mut u64) -> Vec<Step> {
        let text = self.list.filter.text.trim();
        let matcher = matcher();
        let tag = |index: &usize| &self.tags[*index];
        let matches = |index: &usize| self.list.filter.matches(&matcher, &tag(index).name).is_some();
        let mut order: Vec<usize> = (0..self.tags.len()).filter(matches).collect();
        let sort = self.list.sort;
        match sort.column {
            0 => order.sort_by(|a, b| tag(a).name.cmp(&tag(b).name)),
            UPDATED => order.sort_by_key(|index| tag(index).updated),
            SIZE => order.sort_by_key(|index| self.size_of(tag(index))),
            // What is called so, then what begins so, then what has it in it the earlier.
            _ if !text.is_empty() => {
                order.sort_by_key(|index| {
                    let name = &tag(index).name;
                    (name != text, name.find(text).unwrap_or(usize::MAX))
                });
            }
            _ => {}
        }
        if sort.descending {
            order.reverse();
        }
        self.keys = order.iter().map(|index| self.tags[*index].name.clone()).collect();
        self.order = order;
        self.settle(request)
    }

    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// The tag in a row.
    pub fn row(&self, row: usize) -> &TagFacts {
        &self.tags[self.order[row]]
    }

    pub fn selected_row(&self) -> Option<usize> {
        self.list.selected(&self.keys).map(|(row, _)| row)
    }

    /// The tag that is chosen.
    pub fn tag(&self) -> Option<&TagFacts> {
        self.selected_row().map(|row| self.row(row))
    }

    /// The platforms of the chosen tag, as far as they are known.
    pub fn shown_platforms(&self) -> &[PlatformFacts] {
        let Some(tag) = self.tag() else { return &[] };
        match &self.told {
            Some((name, platforms)) if *name == tag.name => platforms,
            _ => &tag.platforms,
        }
    }

    fn platform_keys(&self) -> Vec<String> {
        (0..).zip(self.shown_platforms()).map(|(index, facts)| platform_key(index, facts)).collect()
    }

    /// The place and the facts of the platform that is chosen: this machine's own until another is.
    pub fn platform(&self) -> Option<(usize, &PlatformFacts)> {
        let keys = self.platform_keys();
        let (index, _) = self.platforms.selected(&keys)?;
        Some((index, &self.shown_platforms()[index]))
    }

    /// Bytes to fetch of a tag for this machine, or for the only platform.
    pub fn size_of(&self, tag: &TagFacts) -> Option<u64> {
        let told = self.told.as_ref().filter(|(name, _)| *name == tag.name).map(|(_, platforms)| platforms);
        let platforms = told.unwrap_or(&tag.platforms);
        native(platforms).or(platforms.first())?.compressed_bytes
    }

    /// The image that is chosen, to pull: its whole reference.
    pub fn chosen(&self) -> Option<Reference> {
        // What was written can be pulled while its tags are not known, or never will be.
        if self.reference.digest().is_some() || self.tags.is_empty() {
            return Some(self.reference.clone());
        }
        self.reference.tagged(&self.tag()?.name).ok()
    }

    /// The platform to ask for when it is pulled; none where it is this machine's own.
    fn wanted_platform(&self) -> Option<Platform> {
        let (_, facts) = self.platform()?;
        facts.platform.clone().filter(|platform| !is_native(platform))
    }

    pub fn pull_wish(&self) -> Option<PullWish> {
        Some(PullWish { reference: self.chosen()?.familiar(), platform: self.wanted_platform() })
    }

    /// Whether a tag is on this machine already.
    pub fn here(&self, tag: &TagFacts, data: &Data) -> Here {
        let Ok(reference) = self.reference.tagged(&tag.name) else { return Here::No };
        let mut images = data.images.iter().flatten();
        let Some(image) = images.find(|image| image.reference.as_ref() == Some(&reference)) else { return Here::No };
        if self.is_other(image, tag) { Here::Other } else { Here::Same }
    }

    fn is_other(&self, image: &ImageSummary, tag: &TagFacts) -> bool {
        let told = self.told.as_ref().filter(|(name, _)| *name == tag.name).map(|(_, platforms)| platforms);
        let mut platforms = told.unwrap_or(&tag.platforms).iter();
        let same = platforms.find(|facts| facts.platform.as_ref().is_some_and(|it| is_same(it, &image.platform)));
        let digests = same.and_then(|facts| facts.digest.as_ref()).zip(image.manifest.as_ref());
        digests.is_some_and(|(theirs, ours)| theirs != ours)
    }

    /// Keeps the selections on what they are on, and asks for the platforms of the chosen tag where they are not known.
    fn settle(&mut self, request: &mut u64) -> Vec<Step> {
        self.list.settle(&self.keys);
        let Some(tag) = self.tag() else { return Vec::new() };
        let (name, known) = (tag.name.clone(), !tag.platforms.is_empty());
        let is_told = self.told.as_ref().is_some_and(|(told, _)| *told == name);
        let mut steps = Vec::new();
        if !known && !is_told {
            self.told = Some((name, Vec::new()));
            if let Some(reference) = self.chosen() {
                *request += 1;
                self.platforms_asked = Asking::UnderWay(*request);
                steps.push(Step::Do(Effect::ListPlatforms { request: *request, reference }));
            }
        } else if known {
            self.platforms_asked = Asking::Idle;
        }
        self.settle_platforms();
        steps
    }

    fn settle_platforms(&mut self) {
        let keys = self.platform_keys();
        let is_chosen = self.platforms.selected(&keys).is_some_and(|(index, _)| index > 0);
        if !is_chosen || self.part == Part::Tags {
            let own = native(self.shown_platforms())
                .and_then(|own| self.shown_platforms().iter().position(|facts| facts == own));
            self.platforms.go(&keys, Move::To(own.unwrap_or(0)));
        }
        self.platforms.settle(&keys);
    }

    pub fn told(&mut self, of: u64, events: Vec<DetailEvent>, request: &mut u64) -> Vec<Step> {
        for event in events {
            match event {
                DetailEvent::Repository(facts) if self.tags_asked.is(of) => self.facts = facts,
                DetailEvent::Tags { tags, total } if self.tags_asked.is(of) => self.take_tags(tags, total),
                DetailEvent::Platforms(platforms) if self.platforms_asked.is(of) => {
                    if let Some((_, told)) = &mut self.told {
                        *told = platforms;
                    }
                }
                _ => {}
            }
        }
        self.arrange(request)
    }

    fn take_tags(&mut self, tags: Vec<TagFacts>, total: Option<u64>) {
        self.total = total;
        let mut known: HashSet<String> = self.tags.iter().map(|tag| tag.name.clone()).collect();
        self.tags.extend(tags.into_iter().filter(|tag| known.insert(tag.name.clone())));
        self.tags.sort_by(TagFacts::order);
    }

    pub fn ended(&mut self, of: u64, result: Result<(), Problem>) {
        let is_whole = result.is_ok();
        let state = result.err().map_or(Asking::Idle, Asking::Failed);
        if self.tags_asked.is(of) {
            self.tags_asked = state;
        } else if self.platforms_asked.is(of) {
            self.platforms_asked = state;
            // Kept with the tag, so that coming back to it asks nobody.
            if let Some((name, platforms)) = self.told.as_ref().filter(|_| is_whole)
                && let Some(tag) = self.tags.iter_mut().find(|tag| tag.name == *name)
            {
                tag.platforms.clone_from(platforms);
            }
        }
    }

    /// Whether the registry has tags that are not here yet.
    pub fn has_more(&self) -> bool {
        let told = self.tags.iter().filter(|tag| tag.name.contains(&self.asked_for.0)).count() as u64;
        self.total.is_some_and(|total| total > told)
    }

    /// A key while letters narrow the tags; none if it is not for them.
    pub fn typed(&mut self, key: &KeyEvent, request: &mut u64) -> Option<Vec<Step>> {
        let before = self.list.filter.text.clone();
        if !list_keys::typed(&mut self.list, key) {
            return None;
        }
        Some(if self.list.filter.text == before { Vec::new() } else { self.narrowed(request) })
    }

    /// The letters have changed: what is known is narrowed at once, and the registry asked where it has more.
    fn narrowed(&mut self, request: &mut u64) -> Vec<Step> {
        let mut steps = self.arrange(request);
        self.list.go(&self.keys, Move::First);
        let text = self.list.filter.text.trim();
        let was_all = self.asked_for.0.is_empty() && !self.has_more() && self.total.is_some();
        if self.is_paged() && text != self.asked_for.0 && !was_all {
            self.asked_for.1 = FIRST_TAGS;
            steps.push(self.ask_tags(request));
        }
        steps.extend(self.settle(request));
        steps
    }

    pub fn paste(&mut self, text: &str, request: &mut u64) -> Vec<Step> {
        let clean = text.trim().chars().filter(|c| !c.is_control());
        self.list.filter.text.extend(clean);
        self.narrowed(request)
    }

    pub fn command(&mut self, command: Command, height: usize, request: &mut u64) -> Vec<Step> {
        self.list.set_height(height);
        match command {
            Command::NextPart if !self.shown_platforms().is_empty() => self.part = Part::Platforms,
            Command::PreviousPart => self.part = Part::Tags,
            Command::Back if !self.list.filter.is_empty() => {
                self.list.filter.text.clear();
                return self.narrowed(request);
            }
            Command::Filter => {
                self.part = Part::Tags;
                self.list.filtering = true;
            }
            Command::PullTag => return self.pull_wish().map(Step::Pull).into_iter().collect(),
            command if self.part == Part::Platforms => {
                let keys = self.platform_keys();
                list_keys::command(&mut self.platforms, command, &keys, list_keys::Columns(&[], &[]));
            }
            command => return self.move_in_tags(command, request),
        }
        Vec::new()
    }

    fn move_in_tags(&mut self, command: Command, request: &mut u64) -> Vec<Step> {
        let sort = self.list.sort;
        list_keys::command(&mut self.list, command, &self.keys, list_keys::Columns(&COLUMNS, &[UPDATED, SIZE]));
        let at_end = self.selected_row().is_some_and(|row| row + 1 == self.count());
        let down = matches!(command, Command::Down | Command::PageDown | Command::Bottom);
        let mut steps = Vec::new();
        if at_end && down && self.has_more() && self.tags_asked == Asking::Idle {
            self.asked_for.1 *= MORE;
            steps.push(self.ask_tags(request));
        }
        steps.extend(if self.list.sort == sort { self.settle(request) } else { self.arrange(request) });
        steps
    }

    pub fn click(&mut self, target: Target, request: &mut u64) -> Vec<Step> {
        match target {
            Target::Row(row) => {
                self.part = Part::Tags;
                self.list.go(&self.keys, Move::To(row));
                self.settle(request)
            }
            Target::Choice(row) => {
                self.part = Part::Platforms;
                let keys = self.platform_keys();
                self.platforms.go(&keys, Move::To(row));
                Vec::new()
            }
            Target::Column(column) => {
                self.list.sort.click(column, column != 0);
                self.arrange(request)
            }
            _ => Vec::new(),
        }
    }

    pub fn draw(&self, canvas: &mut Canvas, area: Rect, data: &Data) {
        draw_details::draw(self, canvas, area, data);
    }
}

/// The tag as it was written, not the one that stands for none.
fn written_tag(name: &str) -> Option<&str> {
    name.rsplit('/').next()?.split_once(':').map(|(_, tag)| tag)
}

fn platform_key(index: usize, facts: &PlatformFacts) -> String {
    facts.platform.as_ref().map_or_else(|| index.to_string(), |platform| format!("{index} {platform}"))
}

fn is_same(one: &Platform, other: &Platform) -> bool {
    one.os == other.os && one.architecture == other.architecture
}

pub fn is_native(platform: &Platform) -> bool {
    is_same(platform, &Platform::native())
}

fn native(platforms: &[PlatformFacts]) -> Option<&PlatformFacts> {
    platforms.iter().find(|facts| facts.platform.as_ref().is_some_and(is_native))
}
