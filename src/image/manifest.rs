//! Manifests and indexes, OCI's and Docker's: what an image consists of, and which image is this machine's.

use serde::Deserialize;
use serde_json::Value;

use crate::model::{Digest, Platform};

/// Docker's own limit; overlayfs stacks 500.
pub(super) const LAYERS_MAX: usize = 127;

/// What registries are asked for.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const IMAGE_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// A blob as a manifest names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Part {
    #[serde(rename = "mediaType", default)]
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// One image: its configuration and layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Manifest {
    #[serde(rename = "mediaType", default)]
    pub(super) media_type: Option<String>,
    pub(super) config: Part,
    pub(super) layers: Vec<Part>,
}

/// One platform's image in an index.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Choice {
    pub(super) digest: Digest,
    #[serde(default)]
    platform: Option<ChoicePlatform>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ChoicePlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Choice {
    /// What it is made for; none for an attestation (`unknown/unknown`) or where the index does not say.
    pub(super) fn platform(&self) -> Option<Platform> {
        let it = self.platform.as_ref().filter(|it| it.os != "unknown")?;
        Some(Platform { os: it.os.clone(), architecture: it.architecture.clone(), variant: it.variant.clone() })
    }
}

/// What a registry gives for a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Image(Manifest),
    /// Images for several platforms.
    Index(Vec<Choice>),
}

impl Document {
    /// Reads hostile bytes; the error says what is wrong with them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|_| "it is no JSON document".to_owned())?;
        let version = value.get("schemaVersion").and_then(Value::as_u64);
        if version == Some(1) {
            return Err(
                "it is a manifest of schema 1, which registries gave up in 2019; push the image anew".to_owned()
            );
        }
        // One set of bytes that is an index for one reader and an image for another is neither (CVE-2021-41190).
        let has = |key: &str| value.get(key).is_some_and(|it| !it.is_null());
        let called = match value.get("mediaType") {
            None => None,
            Some(text) => Some(text.as_str().ok_or("its media type is no text")?),
        };
        if has("manifests") && (has("layers") || has("config") || has("fsLayers")) {
            return Err("it is an image and an index at once".to_owned());
        }
        let fits = match called {
            None => true,
            Some(called) if has("manifests") => INDEX_TYPES.contains(&called),
            Some(called) => IMAGE_TYPES.contains(&called),
        };
        if !fits {
            let (called, is) = (called.unwrap_or_default(), if has("manifests") { "index" } else { "image" });
            return Err(format!("it calls itself {called} but would be an {is}"));
        }
        match value.get("manifests").filter(|it| !it.is_null()) {
            Some(choices) => {
                let choices = Vec::<Choice>::deserialize(choices).map_err(|error| error.to_string())?;
                Ok(Self::Index(choices))
            }
            None => Manifest::of(&value).map(Self::Image),
        }
    }
}

impl Manifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        match Document::parse(bytes)? {
            Document::Image(manifest) => Ok(manifest),
            Document::Index(_) => Err("it is an index where an image was expected".to_owned()),
        }
    }

    fn of(value: &Value) -> Result<Self, String> {
        let manifest = Self::deserialize(value).map_err(|error| error.to_string())?;
        if manifest.layers.len() > LAYERS_MAX {
            return Err(format!("it has {} layers; {LAYERS_MAX} is the most", manifest.layers.len()));
        }
        let image = ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
        if !image.contains(&manifest.config.media_type.as_str()) {
            return Err(format!("it is no container image but {}", manifest.config.media_type));
        }
        Ok(manifest)
    }

    /// The media type to store it under.
    pub(super) fn media_type(&self) -> String {
        self.media_type.clone().unwrap_or_else(|| "application/vnd.oci.image.manifest.v1+json".to_owned())
    }
}

/// The choice for `wanted`: of several the one of the same variant, else the first.
pub(super) fn choose<'a>(choices: &'a [Choice], wanted: &Platform) -> Option<&'a Choice> {
    let fits = |choice: &&Choice| {
        choice.platform.as_ref().is_some_and(|it| it.os == wanted.os && it.architecture == wanted.architecture)
    };
    let variant =
        |choice: &&Choice| choice.platform.as_ref().and_then(|it| it.variant.as_ref()) == wanted.variant.as_ref();
    let mut fitting = choices.iter().filter(fits);
    match (choices.iter().filter(fits).find(variant), &wanted.variant) {
        (Some(exact), _) => Some(exact),
        (None, None) => fitting.next(),
        (None, Some(_)) => None,
    }
}

/// The one image of an index that holds a single one.
pub(super) fn only(choices: &[Choice]) -> Option<&Choice> {
    let mut images = choices.iter().filter(|it| it.platform.as_ref().is_none_or(|it| it.os != "unknown"));
    images.next().filter(|_| images.next().is_none())
}

/// The platforms of an index, for people; attestations (`unknown/unknown`) are none.
pub(super) fn platforms(choices: &[Choice]) -> Vec<String> {
    let known = choices.iter().filter_map(|choice| choice.platform.as_ref()).filter(|it| it.os != "unknown");
    known
        .map(|it| {
            let platform =
                Platform { os: it.os.clone(), architecture: it.architecture.clone(), variant: it.variant.clone() };
            crate::model::printable_line(&platform.to_string()).into_owned()
        })
        .collect()
}

/// Everything a document in the store refers to, whatever sort it is.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) blobs: Vec<Digest>,
    pub(super) manifests: Vec<Digest>,
    pub(super) config: Option<Digest>,
}

impl Links {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let digest = |part: &Value| part.get("digest").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let all = |key: &str| -> Vec<Digest> {
            value.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(digest).collect()
        };
        Ok(Self { blobs: all("layers"), manifests: all("manifests"), config: value.get("config").and_then(digest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(entries: &str) -> Vec<Choice> {
        match Document::parse(format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#).as_bytes()) {
            Ok(Document::Index(choices)) => choices,
            other => panic!("no index: {other:?}"),
        }
    }

    fn entry(digit: char, os: &str, architecture: &str, variant: Option<&str>) -> String {
        let digest = digit.to_string().repeat(64);
        let variant = variant.map(|v| format!(r#","variant":"{v}""#)).unwrap_or_default();
        format!(
            r#"{{"digest":"sha256:{digest}","size":1,"platform":{{"os":"{os}","architecture":"{architecture}"{variant}}}}}"#
        )
    }

    fn platform(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    #[test]
    fn choice_takes_platform_then_variant() {
        let choices = index(
            &[
                entry('1', "unknown", "unknown", None),
                entry('2', "linux", "arm", Some("v6")),
                entry('3', "linux", "arm", Some("v7")),
                entry('4', "linux", "amd64", None),
            ]
            .join(","),
        );
        let chosen = |wanted| choose(&choices, &wanted).map(|it| it.digest.hex().as_bytes()[0]);
        assert_eq!(chosen(platform("linux", "amd64", None)), Some(b'4'));
        assert_eq!(chosen(platform("linux", "arm", Some("v7"))), Some(b'3'));
        assert_eq!(chosen(platform("linux", "arm", None)), Some(b'2'));
        assert_eq!(chosen(platform("linux", "arm", Some("v9"))), None);
        assert_eq!(chosen(platform("windows", "amd64", None)), None);
        assert_eq!(platforms(&choices), ["linux/arm/v6", "linux/arm/v7", "linux/amd64"]);
    }

    #[test]
    fn document_that_is_garbage_is_refused() {
        let many = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
            part("application/vnd.oci.image.config.v1+json"),
            vec![part("x"); 128].join(",")
        );
        let helm = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, part("application/vnd.cncf.helm"));
        for text in ["", "<html>", "{}", "[]", "null", r#"{"schemaVersion":1}"#, r#"{"manifests":3}"#, &many, &helm] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn document_that_is_one_thing_here_and_another_there_is_refused() {
        let config = part("application/vnd.oci.image.config.v1+json");
        let both = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"manifests":[]}}"#);
        let image_as_index =
            format!(r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[]}}"#, INDEX_TYPES[0]);
        let index_as_image = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, IMAGE_TYPES[1]);
        let page = format!(r#"{{"schemaVersion":2,"mediaType":"text/html","config":{config},"layers":[]}}"#);
        let number = format!(r#"{{"schemaVersion":2,"mediaType":2,"config":{config},"layers":[]}}"#);
        for text in [&both, &image_as_index, &index_as_image, &page, &number] {
            assert!(Document::parse(text.as_bytes()).is_err(), "{text}");
        }
        let honest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[],"manifests":null}}"#,
            IMAGE_TYPES[1]
        );
        assert!(matches!(Document::parse(honest.as_bytes()), Ok(Document::Image(_))));
    }

    fn part(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":1}}"#, "a".repeat(64))
    }
}
