//! What a viewer sits in front of: a screen, a keyboard, a mouse. Chromium only.

use fantoccini::Locator;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::wd::WebDriverCompatibleCommand;
use hyper::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::{Browser, in_time};

/// Sizes in CSS pixels that stand for many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Held upright, and touched.
    Phone,
    /// With a mouse.
    Desktop,
}

/// Keys that write nothing (WebDriver section 17.4.2).
pub const TAB: char = '\u{e004}';
/// Enter.
pub const ENTER: char = '\u{e007}';
/// The left arrow.
pub const LEFT: char = '\u{e012}';
/// The right arrow.
pub const RIGHT: char = '\u{e014}';

/// What can be used, in the words of ARIA.
const ROLES: [&str; 6] = [
    "button",
    "link",
    "combobox",
    "searchbox",
    "textbox",
    "slider",
];

/// A command of Chromium's driver that the standard does not have.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    async fn own(&self, path: &'static str, body: Value) -> Value {
        let command = Own { path, body };
        let answer = in_time("the driver", self.driver().issue_cmd(command)).await;
        answer.expect("an answer of the driver")
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.own("goog/cdp/execute", body).await
    }

    /// What a screen reader is told of all that can be used on the page: roles and names.
    pub async fn usable(&self) -> Vec<(String, String)> {
        let tree = self
            .devtools("Accessibility.getFullAXTree", json!({}))
            .await;
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        let told = nodes.filter(|node| node["ignored"] == false).map(|node| {
            let text = |of: &str| node[of]["value"].as_str().unwrap_or_default().to_owned();
            (text("role"), text("name"))
        });
        told.filter(|(role, _)| ROLES.contains(&role.as_str()))
            .collect()
    }

    /// Puts a screen before the page.
    pub async fn look_at(&self, screen: Screen, dark: bool) {
        let (width, height, is_phone) = match screen {
            Screen::Phone => (390, 844, true),
            Screen::Desktop => (1280, 800, false),
        };
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let touch = json!({ "enabled": is_phone });
        self.devtools("Emulation.setTouchEmulationEnabled", touch)
            .await;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({
            "features": [{ "name": "prefers-color-scheme", "value": scheme }]
        });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Presses a key, and lets go of it.
    pub async fn press(&self, key: char) {
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        let pressed = in_time("a key", self.driver().perform_actions(keys)).await;
        pressed.expect("a key");
    }

    /// Writes into what has the focus.
    pub async fn write(&self, text: &str) {
        for key in text.chars() {
            self.press(key).await;
        }
    }

    /// Clicks on what a selector finds.
    pub async fn click(&self, selector: &str) {
        let clicked = async {
            let found = self.driver().find(Locator::Css(selector)).await?;
            found.click().await
        };
        let clicked = in_time(selector, clicked).await;
        clicked.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// What the browser complained about since it was asked last: errors of scripts, of requests
    /// and of policies.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.own("se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().expect("entries").iter();
        let messages = entries.map(|entry| entry["message"].as_str().expect("text").to_owned());
        messages.collect()
    }
}
