//! An authority of certificates, made by the openssl program.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{need, process};

/// Makes certificates in a folder of its own.
pub struct Authority {
    folder: tempfile::TempDir,
}

/// A certificate and its key, in PEM.
pub struct Certified {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl Authority {
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("teu-ca.").tempdir().expect("a temporary folder");
        let it = Self { folder };
        it.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN={name} -keyout ca.key -out ca.crt"
        ));
        it
    }

    /// The file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    pub fn pem(&self) -> Vec<u8> {
        std::fs::read(self.file()).expect("read")
    }

    /// A certificate for a server on 127.0.0.1, or for a client.
    #[track_caller]
    pub fn certify(&self, name: &str) -> Certified {
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
        std::fs::write(self.folder.path().join("extensions"), extensions).expect("write");
        self.openssl(&format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile extensions -out {name}.crt"
        ));
        let read =
            |extension: &str| std::fs::read(self.folder.path().join(format!("{name}.{extension}"))).expect("read");
        Certified { certificate: read("crt"), key: read("key") }
    }

    #[track_caller]
    fn openssl(&self, words: &str) {
        let mut command = Command::new(need::program("openssl", "openssl"));
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        process::run(&mut command, b"", Duration::from_secs(30)).ok();
    }
}
