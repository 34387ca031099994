//! Histories as JSON: what the CLI, the UI and the Python SDK write.

use evertide_proto::history::History;
use serde_json::Value;

use super::WorkflowHistory;
use crate::error::{Error, Result};
use crate::json;

impl WorkflowHistory {
    /// The history as canonical JSON on one line: `{"events":[...]}`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// let json = order.fetch_history().await?.to_json()?;
    /// assert!(json.starts_with(r#"{"events":[{"eventId":"1","#));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if an event has a value that JSON cannot say, such as a
    /// time beyond year 9999.
    pub fn to_json(&self) -> Result<String> {
        json::to_string(&self.to_proto())
    }

    /// The history as canonical JSON with line breaks and indentation.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = evertide_server::Server::builder().start().await?;
    /// # let client = evertide_client::Client::connect_with(evertide_client::Transport::new(server.service())).await?;
    /// let order = client.start_workflow("Order").id("order-7").task_queue("orders").await?;
    /// println!("{}", order.fetch_history().await?.to_json_pretty()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`to_json`](Self::to_json).
    pub fn to_json_pretty(&self) -> Result<String> {
        json::to_string_pretty(&self.to_proto())
    }

    /// Reads a history from JSON, as this crate, the CLI, the UI and the SDKs write it. Names of enum values may be
    /// spelled as in the API (`EVENT_TYPE_TIMER_FIRED`) or short (`TimerFired`). Fields that are not known are passed
    /// over.
    ///
    /// ```
    /// use evertide_client::WorkflowHistory;
    /// use evertide_client::proto::enums::EventType;
    ///
    /// let text = r#"{"events": [{"eventId": "1", "eventType": "WorkflowExecutionStarted"}]}"#;
    /// let history = WorkflowHistory::from_json("order-7", text)?;
    /// assert_eq!(history.events[0].event_type(), EventType::WorkflowExecutionStarted);
    /// # Ok::<(), evertide_client::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Conversion`](crate::ErrorKind::Conversion) if it is not JSON or not a history.
    pub fn from_json(workflow_id: impl Into<String>, text: &str) -> Result<Self> {
        let mut value: Value = serde_json::from_str(text)
            .map_err(|error| Error::conversion(format!("the history is not JSON: {error}")))?;
        if !value.get("events").is_some_and(Value::is_array) {
            return Err(Error::conversion("the JSON is not a history, which has a list of `events`"));
        }
        json::spell_enums_out::<History>(&mut value)?;
        let history: History = json::from_value(value)?;
        Ok(Self::new(workflow_id, history.events))
    }

    fn to_proto(&self) -> History {
        History { events: self.events.clone() }
    }
}
