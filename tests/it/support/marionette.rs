//! Firefox's own remote control, which its WebDriver server stands on. That server, geckodriver, is
//! in no package of Debian; what tests need of the protocol is short.

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A session of a Firefox.
pub struct Marionette {
    stream: TcpStream,
    asked: u64,
}

impl Marionette {
    /// A session with the Firefox that listens on this port.
    pub async fn connect(port: u16, capabilities: Value) -> Result<Self, String> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let mut session = Self { stream, asked: 0 };
        // It speaks first, and says who it is.
        session.message().await?;
        // As they are: it looks for none inside of `alwaysMatch`, and says nothing of that.
        session.ask("WebDriver:NewSession", capabilities).await?;
        Ok(session)
    }

    /// Asks for something, and gives what the answer says.
    pub async fn ask(&mut self, command: &str, parameters: Value) -> Result<Value, String> {
        self.asked += 1;
        let message = frame(&json!([0, self.asked, command, parameters]));
        let sent = self.stream.write_all(message.as_bytes()).await;
        sent.map_err(|error| error.to_string())?;
        loop {
            let answer = self.message().await?;
            // An answer that nobody waits for any more may come before ours.
            if answer[1] != self.asked {
                continue;
            }
            let [_, _, error, result] = answer.as_array().map_or(&[][..], Vec::as_slice) else {
                return Err(format!("no answer: {answer}"));
            };
            return if error.is_null() {
                Ok(result.get("value").unwrap_or(result).clone())
            } else {
                Err(error.to_string())
            };
        }
    }

    /// The next message: its length in digits, a colon, and JSON.
    async fn message(&mut self) -> Result<Value, String> {
        let mut length = 0;
        loop {
            let byte = self.stream.read_u8().await;
            match byte.map_err(|error| error.to_string())? {
                b':' => break,
                digit => length = length * 10 + usize::from(digit.wrapping_sub(b'0')),
            }
        }
        let mut message = vec![0; length];
        let read = self.stream.read_exact(&mut message).await;
        read.map_err(|error| error.to_string())?;
        serde_json::from_slice(&message).map_err(|error| error.to_string())
    }

    /// Ends Firefox, and waits for at most so long until it has closed the connection. Without the
    /// runtime, which may be gone when a test fails.
    pub fn quit(self, patience: Duration) -> std::io::Result<()> {
        let mut stream = self.stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(patience))?;
        let flags = json!({ "flags": ["eForceQuit"] });
        stream.write_all(frame(&json!([0, 0, "Marionette:Quit", flags])).as_bytes())?;
        while stream.read(&mut [0; 4096])? > 0 {}
        Ok(())
    }
}

fn frame(message: &Value) -> String {
    let message = message.to_string();
    format!("{}:{message}", message.len())
}
