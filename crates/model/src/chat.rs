//! Messages to a prompt in the `ChatML` form.
//!
//! Not a template engine: the one form is written out. Control tokens are put in by id and message text is encoded as plain
//! text, so whatever a user writes stays inside the user's own turn.

use crate::tokenizer::Tokenizer;

/// Said first when the caller gives no system message. The model's own template would introduce it by a name, and with that
/// sentence in front it answers nonsense, in llama.cpp as well as here (`docs/why/0002-a-forward-pass-of-our-own.md`).
const SYSTEM_DEFAULT: &str = "You are a helpful assistant.";

/// Who speaks in a [`Message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions that stand above the conversation.
    System,
    /// The one who asks.
    User,
    /// The model, earlier in the conversation.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; plain text, in which nothing has a special meaning.
    pub content: String,
}

/// The ids of the tokens that open and close a turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) open: u32,
    pub(crate) close: u32,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// The prompt of `messages`, ending where the assistant is to speak.
pub(crate) fn prompt(tokenizer: &Tokenizer, turns: Turns, messages: &[Message]) -> Vec<u32> {
    let mut tokens = Vec::new();
    let mut turn = |role: Role, content: &str| {
        tokens.push(turns.open);
        tokens.extend(tokenizer.encode(&format!("{}\n{content}", role.name())));
        tokens.push(turns.close);
        tokens.extend(tokenizer.encode("\n"));
    };
    if !messages.iter().any(|message| message.role == Role::System) {
        turn(Role::System, SYSTEM_DEFAULT);
    }
    for message in messages {
        turn(message.role, &message.content);
    }
    tokens.push(turns.open);
    tokens.extend(tokenizer.encode("assistant\n"));
    tokens
}
