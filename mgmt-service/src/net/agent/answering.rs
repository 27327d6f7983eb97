//! Answering one question about managed objects: by whom, what, whether they may, what came of it.
//!
//! In: questions. Out: answers or refusals. Reading is answered at once; what is invoked runs beside everything else and for
//! a bounded time. A set or an invocation that can't be written down is not done.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use overlay::wire::WireError;
use overlay::{Query, RefuseReason};

use super::super::counters::AgentCounters;
use super::guard::{Asker, Guard, entry};
use crate::access::{AuditEntry, AuditEvent, Verb};
use crate::error::{FailureCode, InvokeError};
use crate::jmx::{AttributeValue, BeanServer, DynamicBean, ObjectName, SetOptions};
use crate::limits::{INVOKE_TIMEOUT, VEILED_SCAN_MAX};
use crate::protocol::{Described, GetRequest, ManageAnswer, ManageRequest};

/// What answers questions.
#[derive(Debug)]
pub(super) struct Answerer {
    pub(super) guard: Arc<Guard>,
    pub(super) beans: BeanServer,
    pub(super) counters: Arc<AgentCounters>,
}

/// An operation that runs, and then answers.
pub(super) type Invoking = BoxFuture<'static, ()>;

impl Answerer {
    /// Answers; what takes time comes back, to be driven.
    pub(super) fn answer(&self, query: Query) -> Option<Invoking> {
        let asker = self.guard.asker(query.from, &query.group);
        let answered = match GetRequest::decode(&query.body) {
            Ok(request) => self.get(asker, &request),
            Err(WireError::UnknownKind { .. }) => match ManageRequest::decode(&query.body) {
                Ok(ManageRequest::Invoke { object, operation, arguments }) => {
                    return self.invoke(query, asker, &object, operation, arguments);
                }
                Ok(ManageRequest::Set { object, attribute, value, options }) => {
                    self.set(asker, &object, &attribute, value, options)
                }
                Ok(ManageRequest::Describe { object }) => self.describe(asker, &object),
                Err(error) => Err(malformed(&query, &error)),
            },
            Err(error) => Err(malformed(&query, &error)),
        };
        match answered {
            Ok(answer) => query.reply(Bytes::from(answer)),
            Err(reason) => {
                self.counters.gets_refused.add(1);
                query.refuse(reason);
            }
        }
        None
    }

    fn get(&self, asker: Asker, request: &GetRequest) -> Result<Vec<u8>, RefuseReason> {
        self.guard.check(asker, Verb::Get, &request.pattern.to_string())?;
        let answer = match self.guard.veil(asker)? {
            None => request.answer(&self.beans),
            Some(veil) => {
                let (name, bean) = (|name: &_| veil.name(name), |bean| veil.snapshot(bean));
                request.answer_under(&self.beans, VEILED_SCAN_MAX, name, bean)
            }
        };
        self.counters.gets.add(1);
        answer.encode().map_err(|_| RefuseReason::Full)
    }

    fn describe(&self, asker: Asker, object: &ObjectName) -> Result<Vec<u8>, RefuseReason> {
        self.guard.check(asker, Verb::Get, &object.to_string())?;
        // By their true names alone: what is described has its place in a name, not in an id.
        self.guard.check(asker, Verb::SeeIds, &object.to_string())?;
        let answer = match self.beans.get(object) {
            Some(bean) => ManageAnswer::Described(Described::of(&*bean)),
            None => no_object(),
        };
        self.counters.gets.add(1);
        answer.encode().map_err(|_| RefuseReason::Full)
    }

    fn set(
        &self,
        asker: Asker,
        object: &ObjectName,
        attribute: &str,
        value: AttributeValue,
        options: SetOptions,
    ) -> Result<Vec<u8>, RefuseReason> {
        let named = object.to_string();
        self.guard.check(asker, Verb::Set, &format!("{named} {attribute}"))?;
        let line = entry(AuditEvent::Set, asker, &named, attribute);
        let answer = match self.beans.get(object) {
            Some(bean) => self.set_noted(asker, (&*bean, attribute), line, value, options),
            None => self.vain(asker, line, no_object()),
        };
        self.counters.sets.add(u64::from(matches!(answer, ManageAnswer::Changed(_)) && !options.dry_run));
        answer.encode().map_err(|_| RefuseReason::Full)
    }

    /// Judges first, so that what will be done can be written down before it is.
    fn set_noted(
        &self,
        asker: Asker,
        (bean, attribute): (&dyn DynamicBean, &str),
        line: AuditEntry,
        value: AttributeValue,
        options: SetOptions,
    ) -> ManageAnswer {
        let judged = match bean.set(attribute, value.clone(), SetOptions { dry_run: true, ..options }) {
            Ok(judged) => judged,
            Err(error) => {
                let line = AuditEntry { before: bean.attribute(attribute), after: Some(value), ..line };
                return self.vain(asker, line, error.into());
            }
        };
        let (before, after) = (judged.before.clone(), Some(judged.after.clone()));
        let line = AuditEntry { before, after, ..line };
        if options.dry_run {
            self.guard.note_vain(asker, AuditEntry { result: "dry-run".to_owned(), ..line });
            return ManageAnswer::Changed(judged);
        }
        if self.guard.note(&line).is_err() {
            return not_audited();
        }
        match bean.set(attribute, value, options) {
            Ok(change) => ManageAnswer::Changed(change),
            Err(error) => {
                // A line more says that what the one before announces was not done; it is not left out.
                let (before, result) = (bean.attribute(attribute), error.to_string());
                let _ = self.guard.note(&AuditEntry { before, result, ..line });
                error.into()
            }
        }
    }

    fn invoke(
        &self,
        query: Query,
        asker: Asker,
        object: &ObjectName,
        operation: String,
        arguments: Vec<AttributeValue>,
    ) -> Option<Invoking> {
        let named = object.to_string();
        if let Err(reason) = self.guard.check(asker, Verb::Invoke, &format!("{named} {operation}")) {
            self.counters.gets_refused.add(1);
            query.refuse(reason);
            return None;
        }
        let texts: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let line = entry(AuditEvent::Invoke, asker, &named, &operation);
        let line = AuditEntry { after: Some(texts.join(" ").into()), result: "begun".to_owned(), ..line };
        let begun = match self.beans.get(object) {
            None => Err(self.vain(asker, line.clone(), no_object())),
            Some(bean) => match judge(&*bean, &operation, arguments) {
                Err(error) => Err(self.vain(asker, line.clone(), error.into())),
                Ok(_) if self.guard.note(&line).is_err() => Err(not_audited()),
                Ok(arguments) => Ok(bean.invoke(&operation, arguments)),
            },
        };
        let running = match begun {
            Ok(running) => running,
            Err(answer) => {
                reply(query, &answer);
                return None;
            }
        };
        let (guard, counters) = (self.guard.clone(), self.counters.clone());
        let run = async move {
            let late = || Err(InvokeError::Failed(format!("it was not done within {INVOKE_TIMEOUT:?}")));
            let done = tokio::time::timeout(INVOKE_TIMEOUT, running).await.unwrap_or_else(|_| late());
            let result = done.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
            // It is done whether or not that can be written down; that it began, was.
            let _ = guard.note(&AuditEntry { at: super::guard::at(), result, ..line });
            counters.invokes.add(u64::from(done.is_ok()));
            reply(query, &done.map_or_else(ManageAnswer::from, ManageAnswer::Done));
        };
        Some(run.boxed())
    }

    /// Writes down why nothing was done, and says so.
    fn vain(&self, asker: Asker, line: AuditEntry, answer: ManageAnswer) -> ManageAnswer {
        if let ManageAnswer::Failed { reason, .. } = &answer {
            self.guard.note_vain(asker, AuditEntry { result: reason.clone(), ..line });
        }
        answer
    }
}

/// The arguments in their types, if `bean` has the operation and takes them; before anything is written down as begun.
fn judge(
    bean: &dyn DynamicBean,
    operation: &str,
    arguments: Vec<AttributeValue>,
) -> Result<Vec<AttributeValue>, InvokeError> {
    let operations = bean.operations();
    let info = operations.iter().find(|info| info.name == operation).ok_or(InvokeError::NoOperation)?;
    info.accept(arguments)
}

fn reply(query: Query, answer: &ManageAnswer) {
    match answer.encode() {
        Ok(answer) => query.reply(Bytes::from(answer)),
        Err(_) => query.refuse(RefuseReason::Full),
    }
}

fn malformed(query: &Query, error: &WireError) -> RefuseReason {
    tracing::debug!(peer = %query.from, reason = %error, "management query refused");
    RefuseReason::Malformed
}

fn no_object() -> ManageAnswer {
    ManageAnswer::Failed { code: FailureCode::NoObject, reason: "there is no object of that name".to_owned() }
}

fn not_audited() -> ManageAnswer {
    let reason = "it was not done, since the audit log can't be written".to_owned();
    ManageAnswer::Failed { code: FailureCode::NotAudited, reason }
}
