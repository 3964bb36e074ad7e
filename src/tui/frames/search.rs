//! Scenes of the search: findings, registries that fail, and an image looked at closely.

use super::{Scene, layers, press, problem, tell, type_text};
use crate::model::{
    DetailEvent, ErrorKind, ImageConfig, Platform, PlatformFacts, PullEvent, RepositoryFacts, SearchEvent, SearchHit,
    TagFacts, Trouble,
};
use crate::tui::action::Told;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::sample;
use crate::tui::transfer::TransferId;

pub const SCENES: &[Scene] = &[
    ("search-empty", |app| {
        press(app, "3");
    }),
    ("search-results", |app| {
        press(app, "3");
        type_text(app, "deb");
        tell(app, Told::Found { search: 3, events: sample::found(hits()) });
        tell(app, Told::SearchEnd { search: 3, result: Ok(()) });
        press(app, "down down");
    }),
    ("search-pull", |app| {
        press(app, "3");
        type_text(app, "rust:1.90");
        press(app, "enter enter");
        tell(app, Told::Transfer { id: TransferId(1), progress: PullEvent::Layers(layers()).into() });
        tell(app, Told::SearchEnd { search: 9, result: Ok(()) });
    }),
    ("search-error", |app| {
        press(app, "3");
        type_text(app, "localhost:5000/x");
        tell(app, Told::SearchEnd { search: 16, result: Err(problem()) });
    }),
    ("search-trouble", |app| {
        press(app, "3");
        type_text(app, "deb");
        let asked = ["docker.io", "registry.lan:5000", "localhost:5000"].map(str::to_owned).to_vec();
        let slow = Trouble {
            message: "registry registry.lan:5000: it does not answer within 10 seconds".to_owned(),
            hint: Some("check the network and that registry.lan:5000 is up".to_owned()),
            kind: ErrorKind::Network,
        };
        let mut events = vec![SearchEvent::Asked(asked)];
        events.extend(hits().into_iter().map(SearchEvent::Found));
        events.push(SearchEvent::Ended { registry: "registry.lan:5000".to_owned(), trouble: Some(slow) });
        events.push(SearchEvent::Ended { registry: "docker.io".to_owned(), trouble: None });
        tell(app, Told::Found { search: 3, events });
    }),
    ("search-details", |app| details(app)),
    ("search-details-platforms", |app| {
        details(app);
        press(app, "right down");
    }),
    ("search-details-filter", |app| {
        details(app);
        press(app, "/");
        type_text(app, "12");
        tell(app, Told::DetailsEnd { request: 3, result: Ok(()) });
    }),
    ("search-details-waiting", |app| {
        press(app, "3");
        type_text(app, "debian");
        press(app, "enter enter");
    }),
    ("search-details-error", |app| {
        press(app, "3");
        type_text(app, "localhost:5000/x");
        press(app, "enter enter");
        tell(app, Told::DetailsEnd { request: 1, result: Err(problem()) });
    }),
    ("search-details-private", |app| private(app)),
];

fn hits() -> Vec<SearchHit> {
    let hit =
        |name: &str, registry: &str, description: &str, stars: Option<u64>, official: bool, score: i64| SearchHit {
            name: name.to_owned(),
            registry: registry.to_owned(),
            description: description.to_owned(),
            stars,
            official,
            score,
            pulls: None,
        };
    vec![
        hit(
            "debian",
            "docker.io",
            "Debian is a Linux distribution composed entirely of free software.",
            Some(5290),
            true,
            90,
        ),
        hit("debian:12", "localhost:5000", "", None, false, 80),
        hit("bitnami/debian-base-buildpack", "docker.io", "Debian base compilation image", Some(12), false, 40),
        hit(
            "evil/\u{1b}[31mred\u{202e}",
            "docker.io",
            "text\nof a\u{9b}2J registry is shown, never obeyed",
            Some(0),
            false,
            10,
        ),
    ]
}

/// The number of the request that was made last for something of this kind.
fn last_request(effects: &[Effect]) -> u64 {
    let number = |effect: &Effect| match effect {
        Effect::ListTags { request, .. } | Effect::ListPlatforms { request, .. } => Some(*request),
        _ => None,
    };
    effects.iter().rev().find_map(number).expect("something is asked")
}

fn platform(text: &str, megabytes: u64, day: i64, number: u8) -> PlatformFacts {
    let mut parts = text.split('/').map(str::to_owned);
    let mut part = || parts.next();
    PlatformFacts {
        platform: Some(Platform {
            os: part().expect("a system"),
            architecture: part().expect("a processor"),
            variant: part(),
        }),
        digest: Some(sample::digest(number)),
        compressed_bytes: Some(megabytes * 1_048_576 + 300_000),
        layers: None,
        created: Some(sample::before(day * 86_400)),
        config: None,
    }
}

fn tag(name: &str, day: i64, megabytes: u64) -> TagFacts {
    let platforms =
        [("linux/386", 1), ("linux/amd64", 0), ("linux/arm/v5", 2), ("linux/arm/v7", 3), ("linux/arm64/v8", 0)];
    let platforms = platforms
        .iter()
        .zip(1..)
        .map(|((text, less), number)| platform(text, megabytes - less, day, number))
        .chain([platform("linux/ppc64le", megabytes + 4, day, 8), platform("linux/s390x", megabytes - 2, day, 9)]);
    TagFacts {
        name: name.to_owned(),
        digest: Some(sample::digest(77)),
        updated: Some(sample::before(day * 86_400)),
        platforms: platforms.collect(),
    }
}

/// Debian as Docker Hub tells it.
pub fn details(app: &mut App) {
    press(app, "3");
    type_text(app, "debian");
    tell(app, Told::Found { search: 6, events: sample::found(hits()) });
    tell(app, Told::SearchEnd { search: 6, result: Ok(()) });
    press(app, "down");
    let request = last_request(&press(app, "enter"));
    let facts = RepositoryFacts {
        description:
            "Debian is a Linux distribution that's composed entirely of free and open-source software, made by \
            people all over the world for more than thirty years."
                .to_owned(),
        stars: Some(5_290),
        pulls: Some(1_043_000_000),
        official: true,
        updated: Some(sample::before(86_400)),
    };
    let tags = [
        ("latest", 5, 47),
        ("trixie", 5, 47),
        ("trixie-slim", 5, 28),
        ("13", 5, 47),
        ("13-slim", 5, 28),
        ("bookworm", 6, 46),
        ("bookworm-slim", 6, 27),
        ("12", 6, 46),
        ("12-slim", 6, 27),
        ("12.13", 6, 46),
        ("stable", 7, 47),
        ("stable-backports", 7, 47),
        ("unstable", 7, 48),
        ("sid", 7, 48),
        ("forky", 7, 48),
        ("bullseye", 40, 51),
        ("bullseye-slim", 40, 29),
        ("11", 40, 51),
    ];
    let tags = tags.iter().map(|(name, day, megabytes)| tag(name, *day, *megabytes)).collect();
    let events = vec![DetailEvent::Repository(facts), DetailEvent::Tags { tags, total: Some(2_143) }];
    tell(app, Told::Details { request, events });
    tell(app, Told::DetailsEnd { request, result: Ok(()) });
    super::draw(app);
}

/// A private registry's image: names alone, then what is behind the chosen tag, hostile words among it.
pub fn private(app: &mut App) {
    press(app, "3");
    type_text(app, "localhost:5000/ml/train");
    let tags = last_request(&press(app, "enter enter"));
    let names = ["latest", "v3", "v2", "v10", "nightly"];
    let names = names.map(|name| TagFacts { name: name.to_owned(), ..TagFacts::default() }).to_vec();
    let events =
        vec![DetailEvent::Tags { tags: names, total: None }, DetailEvent::Tags { tags: vec![], total: Some(5) }];
    let platforms = last_request(&tell(app, Told::Details { request: tags, events }));
    tell(app, Told::DetailsEnd { request: tags, result: Ok(()) });
    let config = ImageConfig {
        entrypoint: vec!["/usr/bin/python3".to_owned(), "-m".to_owned(), "train".to_owned()],
        command: vec!["--epochs".to_owned(), "10".to_owned()],
        env: vec!["PATH=/usr/bin:/bin".to_owned(), "EVIL=\u{1b}]0;title\u{7}".to_owned()],
        user: Some("1000:1000".to_owned()),
        workdir: Some("/work".to_owned()),
        exposed_ports: vec!["8080/tcp".to_owned()],
        labels: [("org.opencontainers.image.source".to_owned(), "https://git.lan/\u{202e}lm".to_owned())].into(),
        ..ImageConfig::default()
    };
    let mut own = platform("linux/amd64", 412, 3, 4);
    (own.layers, own.config) = (Some(11), Some(Box::new(config)));
    let other = PlatformFacts { compressed_bytes: None, created: None, ..platform("linux/arm64", 0, 3, 5) };
    tell(app, Told::Details { request: platforms, events: vec![DetailEvent::Platforms(vec![own, other])] });
    super::draw(app);
}
