//! Registries by TLS: authorities and client certificates of one's own, and what https must never lead to.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::certificates::Authority;
use crate::support::http::{Reply, Server};
use crate::support::process::Running;
use crate::support::{Registry, SECOND, Teu, need, wait_for};

#[test]
fn tls_with_an_authority_and_a_client_certificate_of_ones_own() {
    let teu = Teu::new();
    let (authority, stranger) = (Authority::new("teu-test"), Authority::new("stranger"));
    let server = authority.certify("server");
    let tls = "  tls:\n    certificate: FOLDER/server.crt\n    key: FOLDER/server.key\n";
    let files: [(&str, &[u8]); 3] =
        [("server.crt", &server.certificate), ("server.key", &server.key), ("ca.crt", &authority.pem())];
    let registry = Registry::special(tls, &files);
    teu.import_tiny();
    let image = registry.reference("tiny:1");
    teu.ok(&["tag", "tiny", &image]);
    // On loopback nobody is in between, so that nothing has to be set up, as with Docker.
    teu.ok(&["push", &image]);

    let folder = teu.config().join("docker/certs.d").join(&registry.address);
    fs::create_dir_all(&folder).expect("a folder");
    fs::copy(stranger.file(), folder.join("ca.crt")).expect("copy");
    teu.run(&["push", &image]).explains(&["certificate", "certs.d"]);
    fs::copy(authority.file(), folder.join("own.crt")).expect("copy");
    teu.ok(&["push", &image]);

    let strict = Registry::special(&format!("{tls}    clientcas:\n      - FOLDER/ca.crt\n"), &files);
    let image = strict.reference("tiny:1");
    teu.ok(&["tag", "tiny", &image]);
    let settings = teu.config().join("teu");
    fs::create_dir_all(&settings).expect("a folder");
    let table = format!("[registries.\"{}\"]\nca = \"{}\"\n", strict.address, authority.file().display());
    fs::write(settings.join("config.toml"), &table).expect("write");
    teu.run(&["push", &image]).explains(&["client certificate", "cert ="]);
    let client = authority.certify("client");
    fs::write(settings.join("client.pem"), &client.certificate).expect("write");
    fs::write(settings.join("client.key"), &client.key).expect("write");
    fs::write(settings.join("config.toml"), format!("{table}cert = \"client.pem\"\nkey = \"client.key\"\n"))
        .expect("write");
    teu.ok(&["push", &image]);
}

/// A server that speaks TLS and answers each path with the file of that name, headers and all; and its address.
fn serve_files(folder: &Path) -> (Running, String) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let address = format!("127.0.0.1:{port}");
    let mut command = Command::new(need::program("openssl", "openssl"));
    command.args(["s_server", "-quiet", "-HTTP", "-cert", "server.crt", "-key", "server.key", "-accept", &address]);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running { child: command.spawn().expect("start openssl") };
    wait_for("openssl answers", 20 * SECOND, || TcpStream::connect(&address).ok());
    (running, address)
}

#[test]
fn https_never_leads_to_http() {
    let teu = Teu::new();
    let authority = Authority::new("teu-test");
    let certified = authority.certify("server");
    let plain = Server::new(|_| Reply::body("application/json", br#"{"token":"x"}"#.to_vec()));
    let folder = teu.work().join("served");
    for (repository, head) in [
        ("sent", format!("307 Elsewhere\r\nLocation: http://{}/v2/it/manifests/latest", plain.address)),
        ("asked", format!("401 No\r\nWWW-Authenticate: Bearer realm=\"http://{}/token\"", plain.address)),
    ] {
        let path = folder.join(format!("v2/{repository}/manifests"));
        fs::create_dir_all(&path).expect("a folder");
        let reply = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        fs::write(path.join("latest"), reply).expect("write");
    }
    fs::write(folder.join("server.crt"), &certified.certificate).expect("write");
    fs::write(folder.join("server.key"), &certified.key).expect("write");
    let (_running, address) = serve_files(&folder);
    let trusted = teu.config().join("docker/certs.d").join(&address);
    fs::create_dir_all(&trusted).expect("a folder");
    fs::copy(authority.file(), trusted.join("ca.crt")).expect("copy");
    let docker = teu.folder().join("home/.docker");
    fs::create_dir_all(&docker).expect("a folder");
    let login = format!("{{\"auths\":{{\"{address}\":{{\"auth\":\"dXNlcjpzZWNyZXQ=\"}}}}}}");
    fs::write(docker.join("config.json"), login).expect("write");
    teu.run(&["pull", &format!("{address}/sent")]).explains(&["https"]);
    teu.run(&["pull", &format!("{address}/asked")]).explains(&["token service does not speak https"]);
    assert!(plain.requests().is_empty(), "{:?}", plain.requests());
}
