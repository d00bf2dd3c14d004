//! The page under `/-/`, and a browser to look at it.

use super::service::Setup;
use s3reel::embedded_s3::samples::SAMPLES;
use s3reel::web::Browse;
use serde_json::{Value, json};

use super::devices::Screen;
use super::{Browser, TestS3, TestService, until};

/// A page over a bucket with the samples, and a browser to look at it. They end in this order.
pub struct Visit {
    /// Where it is looked at.
    pub browser: Browser,
    /// What serves it.
    pub service: TestService,
    /// What it shows.
    pub s3: TestS3,
}

/// The bytes of a sample.
pub fn sample(name: &str) -> &'static [u8] {
    let found = SAMPLES.iter().find(|(known, _)| *known == name);
    found.expect("a sample").1
}

impl Visit {
    /// All of it, with the samples, at a desk.
    pub async fn begin() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other changes of the settings.
    pub async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let s3 = TestS3::embedded().await;
        for (name, bytes) in SAMPLES {
            s3.put(name, *bytes).await;
        }
        let service = TestService::with(&s3, |config| {
            config.web.browse = Browse::On;
            change(config);
        })
        .await;
        let browser = Browser::chromium().await;
        browser.look_at(Screen::Desktop, false).await;
        Self {
            browser,
            service,
            s3,
        }
    }

    /// Goes to an address of the service.
    pub async fn open(&self, target: &str) {
        let url = format!("http://{}{target}", self.service.address());
        self.browser.open(&url).await;
    }

    /// Runs a script, see [`Browser::run`].
    pub async fn run(&self, script: &str) -> Value {
        self.browser.run(script, vec![]).await
    }

    /// Waits until an expression of the page is true.
    pub async fn see(&self, expression: &str) {
        let script = format!("return Boolean({expression});");
        let what = format!("{expression} in {}", self.text("main").await);
        until(&what, async || self.run(&script).await == json!(true)).await;
    }

    /// What can be read in an element.
    pub async fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector('{selector}').innerText;");
        self.run(&script).await.as_str().unwrap().to_owned()
    }

    /// Where the address bar is, on our origin.
    pub async fn target(&self) -> String {
        let address = self.browser.address().await;
        let origin = format!("http://{}", self.service.address());
        address.strip_prefix(&origin).unwrap().to_owned()
    }

    /// What the keys go to: its id, or its text.
    pub async fn focus(&self) -> String {
        let script = "const at = document.activeElement;
            return at.id || at.querySelector('.name')?.textContent || at.textContent || at.localName;";
        self.run(script).await.as_str().unwrap().to_owned()
    }

    /// Where the film is, in seconds.
    pub async fn time(&self) -> f64 {
        self.run(&format!("return {MEDIA}.currentTime;"))
            .await
            .as_f64()
            .unwrap()
    }
}

/// What plays.
pub const MEDIA: &str = "document.querySelector('video, audio')";

/// The list is there.
pub const LISTED: &str = "/[0-9]/.test(document.getElementById('status').textContent)";
