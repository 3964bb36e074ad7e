//! An image made by hand: its steps, and what its layers did.

use std::path::PathBuf;

use super::{before, digest, images};
use crate::model::{
    Change, ChangeKind, ContainerUsage, Digest, DiskUsage, Extent, FileSort, HistoryLine, ImageConfig, ImageInspect,
    ImageUsage, LayerChange, LayerContents, LayerEntry, PartialUsage, Pruned, PrunedImage,
};

const MEGA: u64 = 1 << 20;

fn step(days: i64, created_by: &str, size_bytes: Option<u64>) -> HistoryLine {
    HistoryLine {
        created: Some(before(86_400 * days)),
        created_by: created_by.to_owned(),
        empty_layer: size_bytes.is_none(),
        size_bytes: Some(size_bytes.unwrap_or(0)),
        ..HistoryLine::default()
    }
}

/// nginx:1.27 with four layers and four steps that changed no file.
pub fn image_inspect() -> ImageInspect {
    ImageInspect {
        summary: images().swap_remove(1),
        tags: vec!["nginx:1.27".parse().expect("a reference"), "nginx:latest".parse().expect("a reference")],
        digests: Vec::new(),
        document: serde_json::Value::Null,
        config: ImageConfig {
            entrypoint: vec!["/docker-entrypoint.sh".to_owned()],
            command: vec!["nginx".to_owned(), "-g".to_owned(), "daemon off;".to_owned()],
            env: vec!["NGINX_VERSION=1.27.0".to_owned()],
            exposed_ports: vec!["80/tcp".to_owned()],
            stop_signal: Some("SIGQUIT".to_owned()),
            ..ImageConfig::default()
        },
        layers: vec![digest(0x41), digest(0x42), digest(0x43), digest(0x44)],
        history: vec![
            step(
                4,
                "/bin/sh -c #(nop) ADD file:b86ae1c7ca3586d8feedcd9ff1b2b1e8ab872caf6587618f1da689045a5d7ae4 in / ",
                Some(124 * MEGA),
            ),
            step(4, "/bin/sh -c #(nop)  CMD [\"bash\"]", None),
            step(2, "LABEL maintainer=NGINX Docker Maintainers <docker-maint@nginx.com>", None),
            step(2, "ENV NGINX_VERSION=1.27.0", None),
            step(
                2,
                "RUN /bin/sh -c set -x     && groupadd --system --gid 101 nginx     && useradd --system --gid nginx --no-create-home nginx     && apt-get update     && apt-get install -y nginx=1.27.0 # buildkit",
                Some(61 * MEGA),
            ),
            step(2, "COPY docker-entrypoint.sh / # buildkit", Some(1_620)),
            HistoryLine {
                comment: "smaller \u{1b}[7mlogs".to_owned(),
                author: "ops@example.org".to_owned(),
                ..step(
                    2,
                    "RUN /bin/sh -c rm -rf /var/lib/apt/lists/* && ln -sf /dev/stdout /var/log/nginx/access.log # buildkit",
                    Some(3_072),
                )
            },
            step(2, "CMD [\"nginx\" \"-g\" \"daemon off;\"]", None),
        ],
    }
}

struct Made(LayerEntry);

fn file(path: &str, change: LayerChange, bytes: u64, mode: u32) -> Made {
    let (sort, mode) = match change {
        LayerChange::Removed => (FileSort::Absent, 0),
        _ => (FileSort::Regular, mode),
    };
    Made(LayerEntry {
        path: PathBuf::from(path),
        change,
        sort,
        bytes,
        hidden_bytes: 0,
        mode,
        uid: 0,
        gid: 0,
        target: None,
    })
}

impl Made {
    fn hides(mut self, bytes: u64) -> Self {
        self.0.hidden_bytes = bytes;
        self
    }

    fn owner(mut self, uid: u32, gid: u32) -> Self {
        (self.0.uid, self.0.gid) = (uid, gid);
        self
    }

    fn link(mut self, target: &str) -> Self {
        (self.0.sort, self.0.mode, self.0.target) = (FileSort::Symlink, 0o777, Some(PathBuf::from(target)));
        self
    }

    fn folder(mut self) -> Self {
        self.0.sort = FileSort::Folder;
        self
    }
}

/// The layers of some images, of which most stand on debian:12's.
pub fn stacks() -> Vec<(String, Vec<Digest>)> {
    let own = image_inspect().layers;
    let on_base = |number: u8| vec![own[0].clone(), digest(number), digest(number + 1)];
    vec![
        ("nginx:1.27".to_owned(), own.clone()),
        ("debian:12".to_owned(), own[..1].to_vec()),
        ("postgres:17".to_owned(), on_base(0x51)),
        ("rust:1.90".to_owned(), on_base(0x61)),
        ("localhost:5000/team/site:3".to_owned(), [own, vec![digest(0x71)]].concat()),
        ("alpine:3.20".to_owned(), vec![digest(0x81)]),
    ]
}

/// What the container `web` has changed.
pub fn changes() -> Vec<Change> {
    let change = |kind, path: &str| Change { kind, path: PathBuf::from(path) };
    use ChangeKind::{Added, Changed, Deleted};
    vec![
        change(Changed, "/etc"),
        change(Changed, "/etc/nginx"),
        change(Changed, "/etc/nginx/conf.d"),
        change(Added, "/etc/nginx/conf.d/site.conf"),
        change(Deleted, "/etc/nginx/conf.d/default.conf"),
        change(Changed, "/run"),
        change(Added, "/run/nginx.pid"),
        change(Added, "/srv/漢字\u{1b}[2J.html"),
    ]
}

/// The disk of a machine with shared, dangling and unused images.
pub fn disk_usage() -> DiskUsage {
    let image = |number: u8, names: &[&str], unique: u64, shared: u64, containers: usize| ImageUsage {
        id: digest(number),
        references: names.iter().map(|name| name.parse().expect("a reference")).collect(),
        created: Some(before(86_400 * i64::from(number))),
        size_bytes: (unique + shared) * MEGA,
        shared_bytes: shared * MEGA,
        unique_bytes: unique * MEGA,
        blob_bytes: (unique + shared) * MEGA / 3,
        containers,
    };
    let containers =
        super::containers().into_iter().zip([38, 4, 910, 0, 0, 212, 77, 3]).map(|(it, mega)| ContainerUsage {
            id: it.id,
            name: it.name,
            image: it.image,
            command: it.command,
            created: it.created,
            state: it.state,
            size_bytes: Some(mega * MEGA),
            mounts: 0,
        });
    let extent = |count, active, size: u64, free: u64| Extent {
        count,
        active,
        size_bytes: size * MEGA,
        reclaimable_bytes: free * MEGA,
    };
    DiskUsage {
        images: vec![
            image(2, &["nginx:1.27", "nginx:latest"], 64, 124, 1),
            image(3, &["postgres:17"], 308, 124, 1),
            image(5, &["alpine:3.20"], 8, 0, 1),
            image(6, &["rust:1.90"], 1376, 124, 2),
            image(9, &[], 640, 124, 0),
            image(8, &["localhost:5000/ml/train:v3"], 5300, 0, 1),
        ],
        containers: containers.collect(),
        volumes: super::volumes::volumes().into_iter().take(2).collect(),
        partial: vec![PartialUsage { blob: None, bytes: 83 * MEGA, modified: before(600), active: false }],
        layers: extent(31, 29, 7820, 640),
        blobs: extent(37, 35, 2610, 214),
    }
}

/// Two containers and three images that nobody uses.
pub fn pruned() -> Pruned {
    let image = |number: u8, reference: Option<&str>| PrunedImage {
        id: digest(number),
        references: reference.map(|reference| reference.parse().expect("a reference")).into_iter().collect(),
    };
    let containers = super::containers();
    let gone = [&containers[5], &containers[6]];
    Pruned {
        containers: gone.map(|it| (it.id.clone(), it.name.clone())).to_vec(),
        images: vec![image(9, None), image(10, None), image(6, Some("rust:1.90"))],
        volumes: Vec::new(),
        partial: 1,
        freed_bytes: 1834 * MEGA,
    }
}

/// What layer `index` of [`image_inspect`] did.
pub fn layer_contents(index: usize) -> LayerContents {
    use LayerChange::{Added, Changed, Opaque, Removed};
    let made = match index {
        0 => vec![
            file("bin", Added, 0, 0).link("usr/bin"),
            file("etc", Added, 0, 0o755).folder(),
            file("etc/passwd", Added, 839, 0o644),
            file("etc/shadow", Added, 474, 0o640).owner(0, 42),
            file("tmp", Added, 0, 0o1777).folder(),
            file("usr", Added, 0, 0o755).folder(),
            file("usr/bin", Added, 0, 0o755).folder(),
            file("usr/bin/bash", Added, 1_265_648, 0o755),
            file("usr/bin/su", Added, 72_000, 0o4755),
            file("usr/lib", Added, 0, 0o755).folder(),
            file("usr/lib/libc.so.6", Added, 122 * MEGA, 0o755),
        ],
        1 => vec![
            file("etc/group", Changed, 470, 0o644).hides(461),
            file("etc/nginx", Added, 0, 0o755).folder(),
            file("etc/nginx/conf.d", Added, 0, 0o755).folder(),
            file("etc/nginx/conf.d/default.conf", Added, 1_093, 0o644),
            file("etc/nginx/nginx.conf", Added, 648, 0o644),
            file("etc/passwd", Changed, 903, 0o644).hides(839),
            file("usr/lib/nginx/modules", Opaque, 0, 0o755).folder().hides(2 * MEGA),
            file("usr/sbin/nginx", Added, 1_553_976, 0o755),
            file("usr/share/漢字\u{1b}[2J.txt", Added, 12, 0o644),
            file("var/cache/nginx", Added, 0, 0o755).folder().owner(101, 101),
            file("var/lib/apt/lists/deb.debian.org_main_Packages", Added, 48 * MEGA, 0o644),
            file("var/lib/dpkg/status", Changed, 9 * MEGA, 0o644).hides(8 * MEGA),
            file("var/log/nginx/access.log", Added, 0, 0o644),
        ],
        2 => vec![file("docker-entrypoint.sh", Added, 1_620, 0o755)],
        _ => vec![
            file("var/lib/apt/lists/deb.debian.org_main_Packages", Removed, 0, 0).hides(48 * MEGA),
            file("var/log/nginx/access.log", Changed, 0, 0).link("/dev/stdout"),
        ],
    };
    let entries: Vec<LayerEntry> = made.into_iter().map(|made| made.0).collect();
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    let wasted_bytes = entries.iter().map(|entry| entry.hidden_bytes).sum();
    LayerContents { diff_id: digest(0x41 + u8::try_from(index).unwrap_or(0)), entries, bytes, wasted_bytes }
}
