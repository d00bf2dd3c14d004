//! The same requests for the same files, to us, to nginx and to Apache: every difference is one
//! that the table explains.

mod answers;
mod ranges;
mod requests;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use s3reel::embedded_s3::directory::Directory;
use s3reel::embedded_s3::shelf::Shelf;
use s3reel::embedded_s3::{BUCKET, EmbeddedS3};
use tempfile::TempDir;

use crate::support::peers::{Peer, RunningPeer};
use crate::support::{TestService, content};
use answers::{Difference, Server, differences};
use requests::{MODIFIED_SECONDS, Object, Request};
use table::{ROWS, rendered};

const SEMANTICS: &str = include_str!("../../src/manual/semantics.md");
const HEADING: &str = "## Where we differ from nginx and Apache";

/// A folder with the objects, which others may read, and with a file that only it has.
fn folder(sign: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let readable = std::fs::Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new()
        .permissions(readable)
        .tempdir()
        .expect("a folder");
    let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_SECONDS);
    for object in Object::ALL {
        let path = folder.path().join(object.key());
        std::fs::write(&path, content(1, object.length())).expect("a file");
        let file = std::fs::File::options().write(true).open(&path);
        file.and_then(|file| file.set_modified(modified))
            .expect("a date");
    }
    std::fs::write(folder.path().join(sign), "here").expect("a file");
    folder
}

/// The row that a difference belongs to.
fn explanation(peer: Peer, request: &Request, difference: Difference) -> Option<usize> {
    ROWS.iter().position(|row| {
        row.peers.contains(&peer)
            && row.aspect == difference.aspect
            && row.words == difference.words
            && row.theirs.contains(&difference.theirs)
            && row.ours.contains(&difference.ours)
            && (row.covers)(request)
    })
}

#[tokio::test]
async fn every_difference_from_nginx_and_apache_is_one_that_the_table_explains() {
    let sign = format!("{:016x}", fastrand::u64(..));
    let folder = folder(&sign);
    let shelf = Directory::open_folder(folder.path()).expect("a folder");
    let s3 = EmbeddedS3::start(Shelf::Directory(shelf))
        .await
        .expect("an S3");
    let service = TestService::at(BUCKET, s3.access().clone(), |_| {}).await;
    let nginx = RunningPeer::start(Peer::Nginx, folder.path(), &sign).await;
    let apache = RunningPeer::start(Peer::Apache, folder.path(), &sign).await;
    let we = Server::at("s3reel", service.address()).await;
    let peers = [
        (Peer::Nginx, Server::at("nginx", nginx.address()).await),
        (Peer::Apache, Server::at("Apache", apache.address()).await),
    ];

    let requests = requests::all();
    let mut seen = BTreeSet::new();
    let mut unexplained = String::new();
    for request in &requests {
        let bytes = content(1, request.object.length());
        let ours = we.ask(request, &bytes).await;
        for (peer, server) in &peers {
            let theirs = server.ask(request, &bytes).await;
            for difference in differences(&theirs, &ours) {
                if let Some(row) = explanation(*peer, request, difference) {
                    seen.insert((row, *peer, difference.theirs, difference.ours));
                } else {
                    let head = request.head("{etag}");
                    let _ = writeln!(unexplained, "{peer:?} {difference:?}\n{head}");
                }
            }
        }
    }
    assert!(unexplained.is_empty(), "no row explains\n{unexplained}");
    let mut unseen = String::new();
    for (index, row) in ROWS.iter().enumerate() {
        let of_row = || seen.iter().filter(|(row, ..)| *row == index);
        let mut has = |what: &dyn std::fmt::Debug, is_there: bool| {
            if !is_there {
                let _ = writeln!(unseen, "{what:?} in {}: {}", row.aspect, row.asked);
            }
        };
        for peer in row.peers {
            has(peer, of_row().any(|(_, known, ..)| known == peer));
        }
        for status in row.theirs {
            has(status, of_row().any(|(.., theirs, _)| theirs == status));
        }
        for status in row.ours {
            has(status, of_row().any(|(.., ours)| ours == status));
        }
    }
    assert!(unseen.is_empty(), "no answer has\n{unseen}");
}

#[test]
fn the_manual_has_the_same_table() {
    let (_, text) = SEMANTICS.split_once(HEADING).expect("the section");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    let rendered = rendered();
    assert!(
        rows == rendered.lines().collect::<Vec<_>>(),
        "the manual should have\n{rendered}"
    );
}
