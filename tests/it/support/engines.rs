//! How each browser is started: without a window, a sound or a question, and without anything that
//! would ask the world outside.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use super::marionette::Marionette;
use super::{PATIENCE, in_time, installed, until};

/// A browser engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Chromium, and what is built on it.
    Chromium,
    /// Firefox.
    Firefox,
    /// WebKitGTK, which has Safari's media element and loader, but not its media framework.
    WebKit,
}

// Folders of a browser's home.
const PROFILE: &str = "profile";
const TEMPORARY: &str = "tmp";
/// Where downloads go.
pub const DOWNLOADS: &str = "downloads";

const CHROMIUM_ARGUMENTS: &[&str] = &[
    "--headless=new",
    // It needs rights that containers lack.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
];

/// Firefox's settings. A film that is shown by itself would play with sound, which is an error where
/// there is no device for it: what is not muted may not play without a click.
const FIREFOX_SETTINGS: &str = r#"
user_pref("marionette.port", 0);
user_pref("media.autoplay.default", 1);
user_pref("media.autoplay.blocking_policy", 1);
user_pref("app.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.getAddons.cache.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:9/");
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
"#;

/// A browser's one page, and what has to end with it.
pub struct Stage {
    pub page: Page,
    /// Kept for their end: the browser or its driver, and its screen.
    pub processes: Vec<Process>,
}

/// How a page is spoken to.
pub enum Page {
    /// Over WebDriver.
    Driver {
        client: Client,
        session: String,
        port: u16,
    },
    /// Over Firefox's own protocol. `None` once it has ended.
    Firefox(Box<tokio::sync::Mutex<Option<Marionette>>>),
}

/// Milliseconds, and a little less than our own patience: the driver knows better what hangs.
fn limits() -> Value {
    json!({ "script": 18_000, "pageLoad": 18_000 })
}

impl Engine {
    /// Starts it, with all that it writes below `home`.
    pub async fn start(self, home: &Path) -> Stage {
        for folder in [PROFILE, DOWNLOADS, TEMPORARY] {
            fs::create_dir(home.join(folder)).expect("a folder");
        }
        match self {
            Self::Chromium => chromium(home).await,
            Self::Firefox => firefox(home).await,
            Self::WebKit => webkit(home).await,
        }
    }
}

/// A command whose traces stay below `home`.
fn command(program: &str, package: &str, home: &Path) -> Command {
    let mut command = Command::new(installed(program, package));
    command
        .env("HOME", home)
        .env("TMPDIR", home.join(TEMPORARY))
        .env("XDG_RUNTIME_DIR", home.join(TEMPORARY))
        // No service of a desktop is asked for anything.
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env("NO_AT_BRIDGE", "1");
    command
}

async fn chromium(home: &Path) -> Stage {
    let mut arguments: Vec<_> = CHROMIUM_ARGUMENTS.iter().map(ToString::to_string).collect();
    arguments.push(format!("--user-data-dir={}", home.join(PROFILE).display()));
    let options = json!({
        "binary": installed("chromium", "chromium"),
        "args": arguments,
        "prefs": {
            "download.default_directory": home.join(DOWNLOADS),
            // Nobody is there to agree to a page's second download.
            "profile.default_content_setting_values.automatic_downloads": 1,
        },
    });
    let (mut driver, port) = started(|| {
        let mut driver = command("chromedriver", "chromium-driver", home);
        driver.arg("--port=0").stdout(Stdio::piped());
        let mut driver = Process::start(driver);
        let port = driver.told("started successfully on port ")?;
        Some((driver, port))
    });
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    let page = session(port, capabilities).await;
    // It is no child of its driver, so that it would outlive a driver that is killed.
    let Page::Driver { client, .. } = &page else {
        unreachable!("it is driven");
    };
    let browser = client
        .capabilities()
        .and_then(|told| told.get("goog:processID"));
    driver.browser = browser.and_then(Value::as_u64);
    Stage {
        page,
        processes: vec![driver],
    }
}

async fn firefox(home: &Path) -> Stage {
    let profile = home.join(PROFILE);
    fs::write(profile.join("user.js"), FIREFOX_SETTINGS).expect("settings");
    let mut browser = command("firefox-esr", "firefox-esr", home);
    browser
        .args(["-headless", "-marionette", "-no-remote", "-profile"])
        .arg(&profile)
        .env("MOZ_CRASHREPORTER_DISABLE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let browser = Process::start(browser);
    let file = profile.join("MarionetteActivePort");
    let port = || -> Option<u16> { fs::read_to_string(&file).ok()?.trim().parse().ok() };
    until("Firefox says its port", async || port().is_some()).await;
    let wanted = json!({
        "pageLoadStrategy": "eager",
        "timeouts": limits(),
        "acceptInsecureCerts": true,
    });
    let session = Marionette::connect(port().expect("a port"), wanted);
    let session = in_time("a session", session).await.expect("a session");
    Stage {
        page: Page::Firefox(Box::new(tokio::sync::Mutex::new(Some(session)))),
        processes: vec![browser],
    }
}

async fn webkit(home: &Path) -> Stage {
    let mut screen = command("Xvfb", "xvfb", home);
    // It takes a number that is free, and says which.
    screen
        .args(["-displayfd", "1", "-screen", "0", "1280x900x24"])
        .args(["-nolisten", "tcp"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut screen = Process::start(screen);
    let display = format!(":{}", screen.told("").expect("a display"));
    let mut driver = command("WebKitWebDriver", "webkit2gtk-driver", home);
    driver
        .args(["--port=0", "--host=127.0.0.1"])
        .env("DISPLAY", display)
        .env("GDK_BACKEND", "x11")
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let driver = Process::start(driver);
    // It does not tell its port.
    until("WebKitWebDriver listens", async || {
        driver.listens_on().is_some()
    })
    .await;
    let options = json!({ "binary": mini_browser(), "args": ["--automation"] });
    let port = driver.listens_on().expect("a port");
    let mut capabilities = Capabilities::new();
    capabilities.insert("webkitgtk:browserOptions".to_owned(), options);
    // The page of a film is complete when the film is, and its beginning is complete no sooner.
    capabilities.insert("pageLoadStrategy".to_owned(), json!("none"));
    let page = session(port, capabilities).await;
    Stage {
        page,
        // Its screen ends after it.
        processes: vec![driver, screen],
    }
}

/// How often a driver is started that ends at once.
const STARTS: usize = 5;

/// A driver and its port. One takes a free port of IPv6 and then wants the same of IPv4, which another
/// test's connection may have; it ends then, and is started again.
fn started(start: impl FnMut() -> Option<(Process, u16)>) -> (Process, u16) {
    let mut started = std::iter::repeat_with(start).take(STARTS).flatten();
    started.next().expect("a driver that tells its port")
}

/// The browser that comes with WebKitGTK. Its folder has the machine's kind in its name.
fn mini_browser() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let mut found = folders.map(|folder| folder.path().join("webkit2gtk-4.1/MiniBrowser"));
    let found = found.find(|file| file.is_file());
    found.expect(
        "MiniBrowser is missing: install Debian's package webkit2gtk-driver, as tests/run does",
    )
}

/// A session of the driver on this port.
async fn session(port: u16, mut capabilities: Capabilities) -> Page {
    capabilities.insert("timeouts".to_owned(), limits());
    capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
    let url = format!("http://127.0.0.1:{port}");
    let client = in_time("a session", async {
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities).connect(&url).await
    });
    let client = client.await.expect("a session");
    let session = client.session_id().await.ok().flatten().expect("its id");
    Page::Driver {
        client,
        session,
        port,
    }
}

impl Page {
    /// Ends it and its browser, and waits until it has. Without the runtime, which may be gone when a
    /// test fails.
    pub fn end(&mut self) -> std::io::Result<()> {
        match self {
            Self::Driver { session, port, .. } => {
                let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
                stream.set_read_timeout(Some(PATIENCE))?;
                write!(
                    stream,
                    "DELETE /session/{session} HTTP/1.1\r\nHost: localhost\r\n\r\n"
                )?;
                stream.read_exact(&mut [0])
            }
            Self::Firefox(session) => match session.get_mut().take() {
                Some(session) => session.quit(PATIENCE),
                None => Ok(()),
            },
        }
    }
}

/// A process and those that it starts. Dropping it kills them.
pub struct Process {
    child: Child,
    /// A process that has left its group.
    browser: Option<u64>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        use std::os::unix::process::CommandExt as _;
        let child = command.stdin(Stdio::null()).process_group(0).spawn();
        Self {
            child: child.expect("a process"),
            browser: None,
        }
    }

    /// Waits until it prints a number after the words `before`, at the end of a line; `None` if it ends
    /// without that.
    fn told(&mut self, before: &'static str) -> Option<u16> {
        let stdout = self.child.stdout.take().expect("its output");
        let (told, number) = channel();
        // Someone has to go on reading, or it would wait for room in the pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let rest = line.split_once(before).map(|(_, rest)| rest);
                if let Some(number) = rest.and_then(|rest| rest.trim_matches('.').parse().ok()) {
                    let _ = told.send(number);
                }
            }
        });
        match number.recv_timeout(PATIENCE) {
            Ok(number) => Some(number),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it does not tell its number"),
        }
    }

    /// The port that it listens on: of the sockets that listen, the one that it has open (proc(5)).
    fn listens_on(&self) -> Option<u16> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?;
        let open: Vec<_> = open
            .flatten()
            .filter_map(|file| Some(fs::read_link(file.path()).ok()?.display().to_string()))
            .collect();
        let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
        sockets.lines().skip(1).find_map(|socket| {
            let cells: Vec<_> = socket.split_whitespace().collect();
            let [_, local, _, "0A", .., inode, _, _, _, _, _, _, _] = cells.as_slice() else {
                return None;
            };
            let is_ours = open.contains(&format!("socket:[{inode}]"));
            let (_, port) = local.split_once(':').filter(|_| is_ours)?;
            u16::from_str_radix(port, 16).ok()
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A screen removes its files when it is asked to end.
        let group = format!("-{}", self.child.id());
        kill("-TERM", &group);
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
            sleep(Duration::from_millis(5));
        }
        // A driver that ends may leave its browser behind, and a browser its parts.
        if let Some(browser) = self.browser.filter(|&pid| runs(pid)) {
            kill("-KILL", &browser.to_string());
        }
        kill("-KILL", &group);
        let _ = self.child.wait();
    }
}

/// How long a process has to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// Sends a signal to a process or, with a minus, to a group, if it is there.
fn kill(signal: &str, process: &str) {
    let _ = Command::new("kill")
        .args([signal, "--", process])
        .stderr(Stdio::null())
        .status();
}

/// Whether a process runs: one that has ended and was not waited for does not.
fn runs(pid: u64) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"));
    // The state comes after the name in parentheses (proc(5)).
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}
