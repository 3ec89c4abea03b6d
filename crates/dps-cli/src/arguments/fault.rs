//! The arguments of `dps fault`.

use super::service::Login;
use clap::{Args, Subcommand, ValueEnum};

#[derive(Subcommand, Debug)]
pub(crate) enum Fault {
    /// Set a fault: a new one, or another in the place of the one of this name
    Add(Box<AddFault>),
    /// List all faults, and how often each has struck
    List(ListFaults),
    /// Remove a fault
    Remove(RemoveFault),
    /// Remove all faults
    Clear(ClearFaults),
}

impl Fault {
    pub(crate) fn wants_json(&self) -> bool {
        match self {
            Self::Add(options) => options.login.json,
            Self::List(options) => options.login.json,
            Self::Remove(options) => options.login.json,
            Self::Clear(options) => options.login.json,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct AddFault {
    /// The fault's name, under the rules of registration ids
    #[arg(long, short)]
    pub(crate) name: String,

    /// What happens
    #[arg(long, value_enum)]
    pub(crate) kind: Kind,

    /// Only to what claims to be this device
    #[arg(long, visible_alias = "rid", group = "scope")]
    pub(crate) registration_id: Option<String>,

    /// Only to the device that the individual enrollment of this registration id lets in
    #[arg(long, value_name = "REGISTRATION_ID", group = "scope")]
    pub(crate) enrollment: Option<String>,

    /// Only to devices that this enrollment group lets in
    #[arg(long, value_name = "GROUP", group = "scope")]
    pub(crate) enrollment_group: Option<String>,

    /// Only over this transport
    #[arg(long, value_enum)]
    pub(crate) transport: Option<Transport>,

    /// Only at this. Without it requests to register and polls are struck, connections are not
    #[arg(long, value_enum)]
    pub(crate) operation: Option<Operation>,

    /// How often it strikes; until it is removed unless given
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u32>,

    /// How much later the answer comes, with --kind delay
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) delay_ms: Option<u32>,

    /// A status from 500 to 599, with --kind server-error
    #[arg(long)]
    pub(crate) status: Option<u16>,

    /// When the device is to come again, with --kind throttle or server-error
    #[arg(long, value_name = "SECONDS")]
    pub(crate) retry_after: Option<u32>,

    /// How much of the answer goes out, with --kind drop; nothing unless given
    #[arg(long, value_name = "BYTES")]
    pub(crate) after_bytes: Option<u32>,

    /// What is wrong with the answer's document, with --kind malformed
    #[arg(long, value_enum)]
    pub(crate) form: Option<Form>,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// The answer comes later
    Delay,
    /// 429, too many requests
    Throttle,
    /// 500, or another --status
    ServerError,
    /// The connection is dropped in the middle of the answer
    Drop,
    /// Nothing comes any more
    NeverAnswer,
    /// The answer's document is not what the service promises
    Malformed,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Transport {
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
    #[value(alias = "http")]
    Https,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Operation {
    /// Where a connection says whose it is; not over HTTPS
    Connect,
    /// The request to register
    Register,
    /// The question how the registration stands
    Poll,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Form {
    /// A page in HTML
    NotJson,
    /// The first half of it
    TruncatedJson,
    /// JSON without the members that there must be
    WrongMembers,
    /// Nothing
    Empty,
}

#[derive(Args, Debug)]
pub(crate) struct ListFaults {
    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveFault {
    /// The fault's name
    #[arg(long, short)]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) login: Login,
}

#[derive(Args, Debug)]
pub(crate) struct ClearFaults {
    #[command(flatten)]
    pub(crate) login: Login,
}
