//! A pooler in between. Where each client has a session of its own our limits can be set there; where sessions go
//! from hand to hand they would be lost, or worse, they would bind whoever comes next.

use super::connect::{Connection, Knock};
use super::failure::Refusal;
use super::session::{self, Session};
use crate::engine::EngineError;

/// Two clients ask in turn which session is theirs. A pool that passes sessions on gives itself away at the first
/// round, unless others take and return them in between, each time at the right moment.
const ROUNDS: usize = 8;

const HANDED_ON: &str = "a pooler that passes sessions from client to client (transaction mode) cannot keep our \
     limits: connect to the server itself, or through a pool in session mode";

/// Sets the limits, if the session is ours to keep. Asked each time: a pool's mode is changed while we run.
pub async fn settle(knock: &Knock, connection: &mut Connection) -> Result<(), Refusal> {
    if is_handed_on(knock, connection).await? {
        return Err(Refusal::Final(EngineError::Unsupported(HANDED_ON.to_owned())));
    }
    session::limit(&connection.client, knock.lane).await?;
    let is_read_only = connection.session.is_read_only;
    connection.session = Session { is_read_only, ..Session::ask(&connection.client, knock.lane).await? };
    if !connection.session.is_limited {
        let said = "the session does not keep our limits: connect to the server itself";
        return Err(Refusal::Final(EngineError::Unsupported(said.to_owned())));
    }
    Ok(())
}

async fn is_handed_on(knock: &Knock, first: &Connection) -> Result<bool, Refusal> {
    let knock = Knock { limits_first: false, ..knock.clone() };
    let second = knock.at(first.endpoint().clone()).await?;
    for _ in 0..ROUNDS {
        let one = Session::ask(&first.client, knock.lane).await?.pid;
        let other = Session::ask(&second.client, knock.lane).await?.pid;
        if one == other || one != first.session.pid || other != second.session.pid {
            return Ok(true);
        }
    }
    Ok(false)
}
