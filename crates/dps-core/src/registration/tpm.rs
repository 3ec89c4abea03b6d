//! How a TPM proves that it is the one (`wire-protocol.md` sections 3.5, 4.5 and 5).
//!
//! The TPM's public keys are read once. They are all that a first request has. The service answers
//! with a challenge: a key that only this TPM can recover. It is recovered, signs a token, and the
//! token is presented, on the same connection if that is still there. When the device is assigned,
//! the TPM takes a second key, that for the hub.
//!
//! A challenge may come as a reply (HTTPS), after which the request is sent again, or before any
//! request is looked at (AMQP).
//!
//! # When it ends
//!
//! A challenge that is the answer to a fresh token says that the token is not accepted, which is
//! final. The token of an earlier connection is presented again on the next one, and there the
//! service may ask for another: it may have taken the token for a request whose reply was lost.
//! The same holds after a reply that puts the device off: the service may have forgotten the
//! challenge by then. Each challenge writes to the TPM, so there are not many of them between two
//! accepted proofs. A proof is accepted by a good reply, or by a connection that comes about.

use super::{Action, Registration, State};
use crate::sas::{HexCase, SasToken, percent_encode};
use crate::wire::TpmAttestation;
use crate::{
    ActivationBlob, Assignment, Challenge, Credentials, Error, ErrorKind, HsmError, Now, Stage,
    TpmKeys,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The most challenges answered without an accepted proof in between.
const MOST_CHALLENGES: u32 = 16;

/// What is known of the TPM and of its proof.
#[derive(Default)]
pub(super) struct Tpm {
    keys: Option<TpmKeys>,
    /// Signed with the key of the latest challenge.
    token: Option<SasToken>,
    /// The connection on which the token was first presented, until it is accepted.
    token_on: Option<u32>,
    /// The connection that comes about only if the service takes the token.
    opened_by_proof: Option<u32>,
    challenges: u32,
    /// What became of the connection on which the challenge came that is being answered.
    challenged: Option<Challenged>,
}

struct Challenged {
    /// It was a reply, so the request must be sent again.
    by_reply: bool,
    fate: Fate,
}

enum Fate {
    Open,
    /// The service said that it closes it.
    Closed,
    Lost(Error),
}

impl Tpm {
    /// What the register request says about the TPM.
    pub(super) fn attestation(&self) -> Option<TpmAttestation> {
        let keys = self.keys.as_ref()?;
        Some(TpmAttestation {
            endorsement_key: Some(STANDARD.encode(&keys.endorsement_key)),
            storage_root_key: Some(STANDARD.encode(&keys.storage_root_key)),
        })
    }

    /// The service has taken the proof.
    pub(super) fn accepted(&mut self) {
        self.challenges = 0;
        self.token_on = None;
        self.opened_by_proof = None;
    }

    /// A connection has come about, this one.
    pub(super) fn connected(&mut self, connection: u32) {
        if self.opened_by_proof == Some(connection) {
            self.accepted();
        }
    }

    /// The service has put the device off, without a word on its proof.
    pub(super) fn put_off(&mut self) {
        self.token_on = None;
    }
}

impl Registration {
    pub(super) fn connect_tpm(&mut self, now: Now) {
        let Some(keys) = self.tpm.keys.clone() else {
            self.actions.push_back(Action::ReadTpmKeys);
            self.state = State::ReadingTpmKeys;
            return;
        };
        let token = self.tpm.token.take().filter(|token| token.expiry() > now.unix_seconds);
        self.tpm.token.clone_from(&token);
        self.open(now, Credentials::Tpm { keys, token });
    }

    pub(super) fn tpm_keys_read(&mut self, now: Now, result: Result<TpmKeys, HsmError>) {
        match result {
            Ok(keys) => {
                self.tpm.keys = Some(keys);
                self.connect_tpm(now);
            }
            Err(error) => self.finish(Err(error.into())),
        }
    }

    /// Has the TPM take the key of a challenge, which came as a reply or before all replies.
    pub(super) fn challenged(&mut self, now: Now, challenge: Challenge, by_reply: bool) {
        let is_refusal = by_reply && self.tpm.token_on == Some(self.connections);
        if is_refusal || self.tpm.challenges >= MOST_CHALLENGES {
            let detail = "the service asks the TPM for another proof instead of accepting this one";
            let kind = ErrorKind::Service { status: 401 };
            let service = crate::ServiceError { status: 401, ..Default::default() };
            let error = Error::new(self.stage, kind).with_service(service).with_detail(detail);
            return self.finish(Err(error));
        }
        self.tpm.challenges += 1;
        self.tpm.token = None;
        self.progress = now.at;
        self.tpm.challenged = Some(Challenged { by_reply, fate: Fate::Open });
        // It goes into the token, and the token into headers.
        let key_name = percent_encode(&challenge.key_name, HexCase::Upper);
        self.actions.push_back(Action::Activate(challenge.blob));
        self.state = State::Activating { key_name };
    }

    /// The connection of the challenge is gone. The answers of the security module are awaited
    /// all the same: a late one must not be taken for that to the next question.
    pub(super) fn challenge_lost(&mut self, error: Error) {
        if let Some(challenged) = &mut self.tpm.challenged {
            self.open = false;
            challenged.fate = Fate::Lost(error);
        }
    }

    pub(super) fn challenge_closed(&mut self) {
        if let Some(challenged) = &mut self.tpm.challenged {
            self.open = false;
            challenged.fate = Fate::Closed;
        }
    }

    pub(super) fn activated(&mut self, now: Now, result: Result<(), HsmError>) {
        match (core::mem::replace(&mut self.state, State::Connecting), result) {
            (State::Activating { key_name }, Ok(())) => self.sign(now, &key_name),
            (State::Activating { .. }, Err(error)) => {
                let detail = format!("the key in the service's challenge: {error}");
                self.finish(Err(Error::from(error).with_detail(detail)));
            }
            (State::ActivatingHubKey(assignment), Ok(())) => self.finish(Ok(*assignment)),
            (State::ActivatingHubKey(assignment), Err(error)) => {
                let detail =
                    format!("assigned to {} as {}: {error}", assignment.hub, assignment.device_id);
                let error = Error::new(Stage::Hsm, ErrorKind::HubKey).with_detail(detail);
                self.finish(Err(error));
            }
            (state, _) => self.state = state,
        }
    }

    /// Presents the token that a challenge asked for.
    pub(super) fn answer_challenge(&mut self, now: Now, token: SasToken) {
        let Some(Challenged { by_reply, fate }) = self.tpm.challenged.take() else { return };
        self.tpm.token = Some(token.clone());
        self.progress = now.at;
        match fate {
            Fate::Open => {
                self.tpm.token_on = Some(self.connections);
                self.actions.push_back(Action::Authenticate(token));
                if by_reply {
                    self.send(now);
                } else {
                    // It goes on where it was: the connection is being opened.
                    self.tpm.opened_by_proof = Some(self.connections);
                }
            }
            Fate::Closed => {
                self.connections = self.connections.saturating_sub(1);
                self.tpm.opened_by_proof = None;
                self.connect(now);
                self.tpm.token_on = Some(self.connections);
            }
            Fate::Lost(error) => self.lost(now, error),
        }
    }

    /// The end, but for the key that the hub will ask for. The service has nothing more to say,
    /// and need not wait.
    pub(super) fn take_hub_key(&mut self, assignment: Box<Assignment>, key: ActivationBlob) {
        self.disconnect();
        self.actions.push_back(Action::Activate(key));
        self.state = State::ActivatingHubKey(assignment);
    }
}
