//! What botocore, the npm package and our own `sign` mint opens what it says, and nothing that was
//! changed about it does.

use s3reel::signing::encoding::{decode, encode};

use crate::support::program::command;
use crate::support::signed::{
    Carrier, KEYS, LATER, Link, ONE, PUBLIC_URL, Wish, botocore_links, file, npm_links,
    sign_everything,
};
use crate::support::{TestS3, TestService, content};

async fn service(s3: &TestS3) -> TestService {
    for key in [
        "films/one.mp4",
        "films/a b+c'(1)!\u{e9}.mp4",
        "other/two.mp4",
    ] {
        s3.put(key, content(1, 1000)).await;
    }
    TestService::with(s3, sign_everything).await
}

/// Every combination that botocore can mint.
fn of_botocore() -> Vec<Link> {
    let mut wishes = Vec::new();
    for key in KEYS {
        for hash in ["SHA1", "SHA256"] {
            let canned = |target| Wish {
                target,
                pattern: None,
                key,
                hash,
                expires: LATER,
                not_before: None,
                ip_address: None,
            };
            wishes.push(canned(ONE));
            wishes.push(canned("/films/one.mp4?size=large&x"));
            for (pattern, not_before, ip_address) in [
                ("/films/*", None, None),
                ("/films/one.mp?", Some(1_000_000_000), None),
                ("/films/*.mp4", None, Some("127.0.0.0/8")),
                ("/films/*", Some(1_000_000_000), Some("127.0.0.1")),
            ] {
                wishes.push(Wish {
                    pattern: Some(pattern),
                    not_before,
                    ip_address,
                    ..canned(ONE)
                });
            }
        }
    }
    let urls = botocore_links(&wishes);
    let without_query = urls.clone().into_iter().filter(|link| link.query.is_none());
    let cookies: Vec<_> = without_query.map(Link::in_cookies).collect();
    urls.into_iter().chain(cookies).collect()
}

/// Every combination that the program mints, from what it prints.
fn of_ours() -> Vec<Link> {
    let mut links = Vec::new();
    for (id, name) in KEYS {
        for more in [
            &[][..],
            &["--resource", "https://media.example/films/*"],
            &["--resource", "https://media.example/films/o??.mp4"],
            &["--not-before", "1000000000"],
            &["--ip-address", "127.0.0.0/8"],
        ] {
            for cookies in [false, true] {
                let url = format!("{PUBLIC_URL}{ONE}");
                let key = file(&format!("{name}.pem"));
                let mut sign = command(&["sign", &url, "--key-pair-id", id, "--private-key"]);
                sign.arg(key).args(more);
                if cookies {
                    sign.arg("--cookies");
                }
                let output = sign.output().unwrap();
                assert!(output.status.success(), "{more:?}: {output:?}");
                let printed = String::from_utf8(output.stdout).unwrap();
                let printed: Vec<_> = printed.lines().collect();
                let (curl, minted) = printed.split_last().unwrap();
                assert!(curl.starts_with("curl -i -r 0-1 "), "{curl}");
                let title = format!("sign, {id} {more:?}");
                let link = if cookies {
                    let claims = minted.iter().map(|cookie| {
                        let (name, value) = cookie.split_once('=').unwrap();
                        let name = name.strip_prefix("CloudFront-").unwrap();
                        (name.to_owned(), value.to_owned())
                    });
                    assert!(
                        curl.ends_with(&format!("'{}' '{url}'", minted.join("; "))),
                        "{curl}"
                    );
                    Link {
                        claims: claims.collect(),
                        carrier: Carrier::Cookies,
                        ..Link::of_url(&title, &url)
                    }
                } else {
                    assert_eq!(*curl, format!("curl -i -r 0-1 '{}'", minted[0]));
                    Link::of_url(&title, minted[0])
                };
                links.push(link);
            }
        }
    }
    links
}

fn all() -> Vec<Link> {
    let links: Vec<_> = of_botocore()
        .into_iter()
        .chain(npm_links())
        .chain(of_ours())
        .collect();
    assert!(links.len() > 90, "{}", links.len());
    links
}

#[tokio::test]
async fn what_botocore_npm_and_we_mint_opens_what_it_says() {
    let s3 = TestS3::embedded().await;
    let service = service(&s3).await;
    let mut client = service.client().await;
    let whole = content(1, 1000);
    for link in all() {
        let get = link.ask(&mut client, "GET", &[]).await;
        assert_eq!(get.status, 200, "{}: {}", link.name, get.head);
        assert_eq!(get.body, whole, "{}", link.name);
        let part = link
            .ask(&mut client, "GET", &[("Range", "bytes=0-1")])
            .await;
        assert_eq!(part.status, 206, "{}", link.name);
        let head = link.ask(&mut client, "HEAD", &[]).await;
        assert_eq!(head.status, 200, "{}", link.name);
        let unsigned = client.ask("GET", &link.path, &[]).await;
        assert_eq!(unsigned.status, 403, "{}", link.name);
        let other = link
            .ask_for(&mut client, "GET", "/other/two.mp4", &[])
            .await;
        assert_eq!(other.status, 403, "{}", link.name);
    }
}

/// Changes a claim's value; `None` where it is not there.
fn changed(link: &Link, name: &str, change: impl Fn(&str) -> String) -> Option<Link> {
    let value = change(link.claim(name)?);
    Some(link.clone().with_claim(name, Some(&value)))
}

/// Changes the bytes behind a claim.
fn bytes(link: &Link, name: &str, change: impl Fn(&mut Vec<u8>)) -> Option<Link> {
    changed(link, name, |value| {
        let mut bytes = decode(value.as_bytes()).expect("a value");
        change(&mut bytes);
        encode(&bytes)
    })
}

/// Changes the text of a custom policy.
fn policy(link: &Link, from: &str, to: &str) -> Option<Link> {
    let text = decode(link.claim("Policy")?.as_bytes()).expect("a policy");
    let text = String::from_utf8(text).expect("a text");
    assert!(text.contains(from), "{from} is not in {text}");
    let text = encode(text.replacen(from, to, 1).as_bytes());
    Some(link.clone().with_claim("Policy", Some(&text)))
}

fn path(link: &Link, to: String) -> Link {
    Link {
        path: to,
        ..link.clone()
    }
}

/// A letter that is another one.
fn other(letter: char) -> char {
    if letter == 'A' { 'B' } else { 'A' }
}

fn letter(text: &str, at: usize) -> String {
    let change = |(index, c)| if index == at { other(c) } else { c };
    text.chars().enumerate().map(change).collect()
}

/// Makes another link of one; `None` where that makes no sense for it.
type Mutation = (&'static str, fn(&Link) -> Option<Link>);

const MUTATIONS: &[Mutation] = &[
    ("the first letter of the signature", |link| {
        changed(link, "Signature", |text| letter(text, 0))
    }),
    ("a letter in its midst", |link| {
        changed(link, "Signature", |text| letter(text, text.len() / 2))
    }),
    ("its last letter", |link| {
        changed(link, "Signature", |text| {
            letter(text, text.trim_end_matches('_').len() - 1)
        })
    }),
    ("its first bit", |link| {
        bytes(link, "Signature", |bytes| bytes[0] ^= 0x80)
    }),
    ("its last bit", |link| {
        bytes(link, "Signature", |bytes| *bytes.last_mut().unwrap() ^= 1)
    }),
    ("a bit in its midst", |link| {
        bytes(link, "Signature", |bytes| {
            let at = bytes.len() / 2;
            bytes[at] ^= 0x10;
        })
    }),
    ("a byte less", |link| {
        bytes(link, "Signature", |bytes| bytes.truncate(bytes.len() - 1))
    }),
    ("a byte more", |link| {
        bytes(link, "Signature", |bytes| bytes.push(0))
    }),
    ("a zero before it", |link| {
        bytes(link, "Signature", |bytes| bytes.insert(0, 0))
    }),
    ("all of it zero", |link| {
        bytes(link, "Signature", |bytes| bytes.fill(0))
    }),
    ("all of it ones", |link| {
        bytes(link, "Signature", |bytes| bytes.fill(0xff))
    }),
    ("it backwards", |link| {
        bytes(link, "Signature", |bytes| bytes.reverse())
    }),
    ("it twice", |link| {
        bytes(link, "Signature", |bytes| bytes.extend(bytes.clone()))
    }),
    ("half of it", |link| {
        bytes(link, "Signature", |bytes| bytes.truncate(bytes.len() / 2))
    }),
    ("one byte of it", |link| {
        bytes(link, "Signature", |bytes| bytes.truncate(1))
    }),
    ("more than any signature has", |link| {
        bytes(link, "Signature", |bytes| bytes.resize(1025, 1))
    }),
    ("it in another base64", |link| {
        changed(link, "Signature", |text| format!("+{}", &text[1..]))
    }),
    ("more padding", |link| {
        changed(link, "Signature", |text| format!("{text}_"))
    }),
    ("a space behind it", |link| {
        changed(link, "Signature", |text| format!("{text}%20"))
    }),
    ("a line end behind it", |link| {
        changed(link, "Signature", |text| format!("{text}%0A"))
    }),
    ("a broken encoding behind it", |link| {
        changed(link, "Signature", |text| format!("{text}%z"))
    }),
    ("no text of it", |link| {
        changed(link, "Signature", |_| String::new())
    }),
    ("no signature", |link| {
        Some(link.clone().with_claim("Signature", None))
    }),
    ("another key of ours", |link| {
        changed(link, "Key-Pair-Id", |id| {
            if id == "KRSA" { "KECDSA" } else { "KRSA" }.to_owned()
        })
    }),
    ("an unknown key", |link| {
        changed(link, "Key-Pair-Id", |_| "KOTHER".to_owned())
    }),
    ("a key in small letters", |link| {
        changed(link, "Key-Pair-Id", str::to_lowercase)
    }),
    ("a longer key", |link| {
        changed(link, "Key-Pair-Id", |id| format!("{id}A"))
    }),
    ("a NUL behind the key", |link| {
        changed(link, "Key-Pair-Id", |id| format!("{id}%00"))
    }),
    ("an empty key", |link| {
        changed(link, "Key-Pair-Id", |_| String::new())
    }),
    ("no key", |link| {
        Some(link.clone().with_claim("Key-Pair-Id", None))
    }),
    ("the other hash", |link| {
        let other = if link.claim("Hash-Algorithm") == Some("SHA256") {
            "SHA1"
        } else {
            "SHA256"
        };
        Some(link.clone().with_claim("Hash-Algorithm", Some(other)))
    }),
    ("an unknown hash", |link| {
        Some(link.clone().with_claim("Hash-Algorithm", Some("MD5")))
    }),
    ("the hash in small letters", |link| {
        Some(link.clone().with_claim("Hash-Algorithm", Some("sha256")))
    }),
    ("an empty hash", |link| {
        Some(link.clone().with_claim("Hash-Algorithm", Some("")))
    }),
    ("another object", |link| {
        Some(path(link, "/other/two.mp4".to_owned()))
    }),
    ("another spelling of the folder", |link| {
        Some(path(link, link.path.replacen("/films", "/Films", 1)))
    }),
    ("an encoded letter of the folder", |link| {
        Some(path(link, link.path.replacen("/films", "/%66ilms", 1)))
    }),
    ("another slash", |link| {
        Some(path(link, link.path.replacen("/films", "//films", 1)))
    }),
    ("an encoded slash", |link| {
        Some(path(link, link.path.replacen("/films/", "/films%2F", 1)))
    }),
    ("the name alone", |link| {
        Some(path(link, link.path.replacen("/films", "", 1)))
    }),
    ("a longer folder", |link| {
        Some(path(link, link.path.replacen("/films", "/films2", 1)))
    }),
    // Of canned policies.
    ("a second more", |link| {
        changed(link, "Expires", |end| {
            (end.parse::<u64>().unwrap() + 1).to_string()
        })
    }),
    ("a second less", |link| {
        changed(link, "Expires", |end| {
            (end.parse::<u64>().unwrap() - 1).to_string()
        })
    }),
    ("a zero before the end", |link| {
        changed(link, "Expires", |end| format!("0{end}"))
    }),
    ("a sign before the end", |link| {
        changed(link, "Expires", |end| format!("+{end}"))
    }),
    ("a larger end than there is", |link| {
        changed(link, "Expires", |end| format!("{end}00000000000"))
    }),
    ("an end that is none", |link| {
        changed(link, "Expires", |_| "never".to_owned())
    }),
    ("a policy too", |link| {
        link.claim("Expires")
            .and(Some(link.clone().with_claim("Policy", Some("e30_"))))
    }),
    ("a query of its own", |link| {
        let query = Some(
            link.query
                .clone()
                .map_or("x=1".to_owned(), |query| query + "&x=1"),
        );
        link.claim("Expires").and(Some(Link {
            query,
            ..link.clone()
        }))
    }),
    // Of custom policies.
    ("a later end", |link| {
        policy(link, "4102444800", "4102444801")
    }),
    ("another folder", |link| {
        policy(link, "media.example/", "media.example/*")
    }),
    ("a space in the policy", |link| policy(link, ",", ", ")),
    ("the first bit of the policy", |link| {
        bytes(link, "Policy", |bytes| bytes[0] ^= 1)
    }),
    ("the last bit of the policy", |link| {
        bytes(link, "Policy", |bytes| *bytes.last_mut().unwrap() ^= 1)
    }),
    ("half of the policy", |link| {
        bytes(link, "Policy", |bytes| bytes.truncate(bytes.len() / 2))
    }),
    ("an empty policy", |link| {
        changed(link, "Policy", |_| "e30_".to_owned())
    }),
    ("more than any policy has", |link| {
        bytes(link, "Policy", |bytes| bytes.resize(4097, b' '))
    }),
    ("an end beside the policy", |link| {
        link.claim("Policy")
            .and(Some(link.clone().with_claim("Expires", Some("4102444800"))))
    }),
    ("no claim of what was signed", |link| {
        Some(
            link.clone()
                .with_claim("Policy", None)
                .with_claim("Expires", None),
        )
    }),
];

#[tokio::test]
async fn forty_kinds_of_change_open_nothing() {
    let s3 = TestS3::embedded().await;
    let service = service(&s3).await;
    let mut client = service.client().await;
    let mut bodies = std::collections::BTreeSet::new();
    for link in all() {
        let mut kinds = 0;
        for (name, mutation) in MUTATIONS {
            // What `sign` prints ends in an hour.
            let in_an_hour = *name == "a later end" && link.name.starts_with("sign");
            let Some(mutant) = (!in_an_hour).then(|| mutation(&link)).flatten() else {
                continue;
            };
            let is_same = mutant.target() == link.target() && mutant.claims == link.claims;
            assert!(!is_same, "{name} changes nothing of {}", link.name);
            let answer = mutant.ask(&mut client, "GET", &[]).await;
            assert_eq!(
                answer.status,
                403,
                "{name}: {} {}",
                link.name,
                mutant.target()
            );
            let id = answer.header("x-request-id").unwrap().to_owned();
            let body = String::from_utf8(answer.body).unwrap();
            bodies.insert(body.replace(&id, ""));
            kinds += 1;
        }
        assert!(kinds >= 40, "{kinds} kinds for {}", link.name);
    }
    // One and the same, whatever was wrong.
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    assert!(service.s3_calls("GetObject").await == 0.0);
    assert!(service.s3_calls("HeadObject").await == 0.0);
}
