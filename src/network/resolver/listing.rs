//! Who is called what in which network: a file for each container in a network, written by its monitor, read by the others'.
//!
//! A file is believed only as long as its address is leased: what a monitor that was killed has left behind answers nothing.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::Id;
use crate::network::{NetworkError, Result};
use crate::sys::file::write_atomically;

/// A container as its network knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub id: Id,
    pub name: String,
    pub hostname: String,
    /// In this network.
    pub aliases: Vec<String>,
    /// Each with its subnet's length.
    pub addresses: Vec<IpNet>,
}

/// How well a name fits: the best alone answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The container's name, or one that it was given in this network.
    Given,
    ShortId,
    /// What it calls itself.
    Hostname,
}

impl Listed {
    /// Whether it is called so; `name` is in small letters.
    pub fn fits(&self, name: &str) -> Option<Fit> {
        let same = |own: &str| own.eq_ignore_ascii_case(name);
        if same(&self.name) || self.aliases.iter().any(|alias| same(alias)) {
            Some(Fit::Given)
        } else if self.id.short() == name {
            Some(Fit::ShortId)
        } else {
            same(&self.hostname).then_some(Fit::Hostname)
        }
    }

    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.addr() == address)
    }
}

/// The files of all networks of this machine.
#[derive(Clone, Debug)]
pub struct Listing {
    folder: PathBuf,
}

impl Listing {
    pub(in crate::network) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Puts a container into a network's list, in the place of what it was there before.
    pub fn put(&self, network: &Id, listed: &Listed) -> Result<()> {
        let bytes = serde_json::to_vec(listed).expect("plain values");
        let path = self.file(network, &listed.id);
        match write_atomically(&path, &bytes, 0o600) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.of_network(network);
                let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
                made.map_err(|error| NetworkError::io("make", &folder, error))?;
                write_atomically(&path, &bytes, 0o600)
            }
            result => result,
        }
        .map_err(|error| NetworkError::io("write", &path, error))
    }

    /// Takes a container out of a network's list. One that is not there is passed over.
    pub fn remove(&self, network: &Id, container: &Id) -> Result<()> {
        let path = self.file(network, container);
        match fs::remove_file(&path) {
            Err(error) if !is_missing(&error) => Err(NetworkError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Takes a container out of all lists: its monitor cannot any more.
    pub fn forget(&self, container: &Id) -> Result<()> {
        let networks = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for network in networks.filter_map(|entry| entry.file_name().to_str()?.parse::<Id>().ok()) {
            self.remove(&network, container)?;
        }
        Ok(())
    }

    /// Throws a network's list away.
    pub fn forget_network(&self, network: &Id) -> Result<()> {
        let folder = self.of_network(network);
        match fs::remove_dir_all(&folder) {
            Err(error) if !is_missing(&error) => Err(NetworkError::io("remove", &folder, error)),
            _ => Ok(()),
        }
    }

    /// Everybody in a network's list. What cannot be read is left out: it is gone, or nothing that this teu understands.
    pub fn all(&self, network: &Id) -> Vec<Listed> {
        let files = fs::read_dir(self.of_network(network)).into_iter().flatten().flatten();
        let paths = files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "json"));
        paths.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect()
    }

    pub(super) fn of_network(&self, network: &Id) -> PathBuf {
        self.folder.join(network.as_str())
    }

    fn file(&self, network: &Id, container: &Id) -> PathBuf {
        self.of_network(network).join(Path::new(container.as_str()).with_extension("json"))
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(byte: u8, name: &str) -> Listed {
        Listed {
            id: Id::from_bytes([byte; 32]),
            name: name.to_owned(),
            hostname: "box".to_owned(),
            aliases: vec!["Db".to_owned()],
            addresses: vec!["10.9.0.2/24".parse().expect("an address")],
        }
    }

    #[test]
    fn names_fit_in_this_order_and_in_any_letters() {
        let one = listed(1, "Web");
        assert_eq!((one.fits("web"), one.fits("db")), (Some(Fit::Given), Some(Fit::Given)));
        assert_eq!((one.fits("010101010101"), one.fits("box")), (Some(Fit::ShortId), Some(Fit::Hostname)));
        assert_eq!(one.fits("we"), None);
        assert!(Fit::Given < Fit::ShortId && Fit::ShortId < Fit::Hostname);
    }

    #[test]
    fn list_holds_who_was_put_there_and_nothing_that_is_broken() {
        let folder = tempfile::tempdir().expect("a folder");
        let listing = Listing::at(folder.path().join("names"));
        let (one, two) = (Id::from_bytes([8; 32]), Id::from_bytes([9; 32]));
        assert!(listing.all(&one).is_empty());
        listing.put(&one, &listed(1, "web")).expect("put");
        listing.put(&one, &listed(1, "renamed")).expect("put again");
        listing.put(&two, &listed(1, "web")).expect("put");
        fs::write(folder.path().join("names").join(one.as_str()).join("x.json"), b"{").expect("write");
        assert_eq!(listing.all(&one), [listed(1, "renamed")]);
        listing.forget(&listed(1, "").id).expect("forget");
        assert!(listing.all(&one).is_empty() && listing.all(&two).is_empty());
        listing.remove(&one, &two).expect("nothing to remove");
        listing.forget_network(&one).expect("forget");
        listing.forget_network(&one).expect("forget again");
    }
}
