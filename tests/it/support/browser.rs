//! A real browser without a window.

use std::collections::BTreeMap;

use fantoccini::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::engines::{DOWNLOADS, Engine, Page, Stage};
use super::{in_time, until};

/// What scripts can call.
const TOOLS: &str = include_str!("browser.js");

/// A page that asks for nothing: who goes there leaves all else.
pub const NOWHERE: &str = "about:blank";

/// A browser with one page. Dropping it ends it and its driver, and removes all that they wrote.
///
/// It has to be dropped before the services that it asks, which look for what was left behind.
pub struct Browser {
    engine: Engine,
    stage: Stage,
    /// Removed last.
    home: TempDir,
}

impl Browser {
    /// Chromium.
    pub async fn chromium() -> Self {
        Self::start(Engine::Chromium).await
    }

    /// Any of them.
    pub async fn start(engine: Engine) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let stage = engine.start(home.path()).await;
        Self {
            engine,
            stage,
            home,
        }
    }

    /// Which it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Goes to an address, and waits until what is there has been read or, if it is a film, begun.
    pub async fn open(&self, url: &str) {
        let gone = async {
            match &self.stage.page {
                Page::Driver { client, .. } => {
                    client.goto(url).await.map_err(|error| error.to_string())
                }
                Page::Firefox(_) => {
                    let to = json!({ "url": url });
                    self.firefox("WebDriver:Navigate", to).await.map(drop)
                }
            }
        };
        let gone = in_time(url, gone).await;
        gone.unwrap_or_else(|error| panic!("{url}: {error}"));
        if self.engine == Engine::WebKit {
            // Its driver waits for nothing, see [`Engine::start`].
            let there = "return location.href === given[0]
                && (document.readyState !== 'loading' || !!document.querySelector('video, audio'));";
            until(url, async || {
                let there = self.attempt(there, vec![json!(url)]).await;
                there == Ok(json!(true))
            })
            .await;
        }
    }

    /// The address of the page that is shown.
    pub async fn address(&self) -> String {
        let address = self.run("return location.href;", vec![]).await;
        address.as_str().expect("an address").to_owned()
    }

    /// Runs a script in the page, as the body of an async function that has the tools of
    /// `browser.js` and its arguments in `given`, and gives what it returns.
    pub async fn run(&self, script: &str, given: Vec<Value>) -> Value {
        let value = self.attempt(script, given).await;
        value.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same where it may fail: with what it throws.
    pub async fn attempt(&self, script: &str, given: Vec<Value>) -> Result<Value, String> {
        let whole =
            format!("{TOOLS}\nconst given = arguments; return (async () => {{ {script} }})();");
        let value = async {
            match &self.stage.page {
                Page::Driver { client, .. } => {
                    let value = client.execute(&whole, given).await;
                    value.map_err(|error| error.to_string())
                }
                Page::Firefox(_) => {
                    let script = json!({ "script": whole, "args": given });
                    self.firefox("WebDriver:ExecuteScript", script).await
                }
            }
        };
        in_time("a script", value).await
    }

    async fn firefox(&self, command: &str, parameters: Value) -> Result<Value, String> {
        let Page::Firefox(session) = &self.stage.page else {
            unreachable!("it is asked of Firefox only");
        };
        let mut session = session.lock().await;
        let session = session.as_mut().expect("it has not ended");
        session.ask(command, parameters).await
    }

    /// Its driver, for what only some browsers can do.
    pub fn driver(&self) -> &Client {
        let Page::Driver { client, .. } = &self.stage.page else {
            unreachable!("it is asked of others than Firefox only");
        };
        client
    }

    /// What has been downloaded so far, by name.
    pub fn downloads(&self) -> BTreeMap<String, Vec<u8>> {
        let folder = std::fs::read_dir(self.home.path().join(DOWNLOADS)).expect("a folder");
        let files = folder.filter_map(|file| {
            let file = file.ok()?;
            let name = file.file_name().to_string_lossy().into_owned();
            // What is under way has another name, and may be gone before it is read.
            let done = !name.ends_with(".crdownload") && !name.starts_with('.');
            Some((name, std::fs::read(file.path()).ok()?)).filter(|_| done)
        });
        files.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // An orderly end, after which nothing writes to the profile any more.
        let _ = self.stage.page.end();
        self.stage.processes.clear();
    }
}
