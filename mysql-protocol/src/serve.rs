//! The life of a connection behind its login: commands in, answers out, until one side has had enough.

use std::pin::{Pin, pin};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::{Command, Connection, Error, ServerError};

/// A command that is being answered, in memory of its own: a connection that waits for commands holds no room for their answers.
pub type Answering<'a, Gone> = Pin<Box<dyn Future<Output = Result<(), Gone>> + Send + 'a>>;

/// What answers the commands of one client.
pub trait Service: Send {
    /// What the client is connected by.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send;
    /// The connection is of no more use.
    type Gone: From<Error>;

    /// The client's connection.
    fn connection(&mut self) -> &mut Connection<Self::Stream>;

    /// The longest wait for the next command.
    fn idle_max(&self) -> Duration;

    /// Answers one command, which is not COM_QUIT, whole.
    ///
    /// # Errors
    /// The connection is of no more use.
    fn answer(&mut self, command: Command) -> Answering<'_, Self::Gone>;
}

/// Serves commands until the client goes or is silent for too long, or until `stopped`: what was begun is answered before that.
///
/// # Errors
/// The connection is of no more use.
pub async fn serve<T: Service>(
    service: &mut T,
    stopped: impl Future<Output = ()>,
) -> Result<(), T::Gone> {
    let mut stopped = pin!(stopped);
    loop {
        let idle_max = service.idle_max();
        let command = tokio::select! {
            () = &mut stopped => return Ok(()),
            command = timeout(idle_max, service.connection().read_command()) => command,
        };
        match command {
            Err(_) | Ok(Ok(None | Some(Command::Quit))) => return Ok(()),
            Ok(Ok(Some(command))) => service.answer(command).await?,
            Ok(Err(error)) => refuse(service, error).await?,
        }
    }
}

/// Answers what is no command, where the session can go on.
async fn refuse<T: Service>(service: &mut T, error: Error) -> Result<(), T::Gone> {
    let told = match &error {
        Error::Command(what) => {
            ServerError::new(1835, b"HY000", format!("Malformed packet: {what}"))
        }
        Error::NotUtf8 => ServerError::new(1300, b"HY000", error.to_string()),
        Error::TooLarge { bytes, max } => {
            let told = format!("Got a packet bigger than 'max_allowed_packet': {bytes} > {max}");
            ServerError::new(1153, b"08S01", told)
        }
        _ => return Err(error.into()),
    };
    service.connection().error(&told).await?;
    // the rest of the packet is not read
    if matches!(error, Error::TooLarge { .. }) { Err(error.into()) } else { Ok(()) }
}
