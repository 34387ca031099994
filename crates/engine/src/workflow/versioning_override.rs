//! Overrides of a workflow's version by a caller.
//!
//! Worker deployments are not built yet, so that no version polls any queue: an override that pins is refused as the
//! protocol has it for a version that is not there. `auto_upgrade` asks for what happens anyway.

use crate::rejection::Rejection;
use evertide_proto::deployment::WorkerDeploymentVersion;
use evertide_proto::enums::VersioningBehavior;
use evertide_proto::workflow::VersioningOverride;
use evertide_proto::workflow::versioning_override::{Override, PinnedOverrideBehavior};

/// Checks an override for a workflow of that task queue.
///
/// # Errors
/// It is not complete, or asks for a version that is not there.
pub(super) fn check(override_: Option<&VersioningOverride>, task_queue: &str) -> Result<(), Rejection> {
    let Some(override_) = override_ else { return Ok(()) };
    match &override_.r#override {
        Some(Override::AutoUpgrade(true)) => Ok(()),
        Some(Override::AutoUpgrade(false)) => Err(Rejection::invalid("auto-upgrade override must be true")),
        Some(Override::Pinned(pinned)) => {
            let Some(version) = &pinned.version else {
                return Err(Rejection::invalid("must provide version if override is pinned."));
            };
            if pinned.behavior() == PinnedOverrideBehavior::Unspecified {
                let text = "must specify pinned override behavior if override is pinned.";
                return Err(Rejection::invalid(text));
            }
            Err(not_there(version, task_queue))
        }
        Some(Override::OneTime(once)) => {
            let text = "must provide target deployment version if override is one-time.";
            let version = once.target_deployment_version.as_ref().ok_or_else(|| Rejection::invalid(text))?;
            Err(not_there(version, task_queue))
        }
        None => check_behavior(override_, task_queue),
    }
}

/// The older form: a behavior, and beside it what to pin to.
fn check_behavior(override_: &VersioningOverride, task_queue: &str) -> Result<(), Rejection> {
    let (deployment, version) = (override_.deployment.as_ref(), override_.pinned_version.as_str());
    match override_.behavior() {
        VersioningBehavior::Pinned => {
            let pinned = match (deployment, version) {
                (Some(d), _) => (d.series_name.as_str(), d.build_id.as_str()),
                (None, "") => {
                    let text = "must provide deployment (deprecated) or pinned version if behavior is 'PINNED'";
                    return Err(Rejection::invalid(text));
                }
                (None, version) => version.rsplit_once('.').unwrap_or((version, "")),
            };
            let (deployment_name, build_id) = (pinned.0.to_owned(), pinned.1.to_owned());
            Err(not_there(&WorkerDeploymentVersion { deployment_name, build_id }, task_queue))
        }
        VersioningBehavior::AutoUpgrade if deployment.is_some() => {
            Err(Rejection::invalid("only provide deployment if behavior is 'PINNED'"))
        }
        VersioningBehavior::AutoUpgrade if !version.is_empty() => {
            Err(Rejection::invalid("only provide pinned version if behavior is 'PINNED'"))
        }
        VersioningBehavior::AutoUpgrade => Ok(()),
        VersioningBehavior::Unspecified => Err(Rejection::invalid("override behavior is required")),
    }
}

fn not_there(version: &WorkerDeploymentVersion, task_queue: &str) -> Rejection {
    let WorkerDeploymentVersion { deployment_name, build_id } = version;
    Rejection::precondition(format!(
        "Pinned version '{deployment_name}:{build_id}' is not present in task queue '{task_queue}' of type 'Workflow'"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::Code;
    use evertide_proto::workflow::versioning_override::PinnedOverride;

    fn refused(override_: &VersioningOverride) -> (Code, String) {
        let refusal = check(Some(override_), "q").unwrap_err();
        (refusal.code, refusal.message.into_owned())
    }

    fn of(override_: Override) -> VersioningOverride {
        VersioningOverride { r#override: Some(override_), ..VersioningOverride::default() }
    }

    fn pinned(version: Option<WorkerDeploymentVersion>, behavior: PinnedOverrideBehavior) -> VersioningOverride {
        of(Override::Pinned(PinnedOverride { behavior: behavior.into(), version }))
    }

    #[test]
    fn a_version_that_is_not_there_cannot_be_pinned() {
        let version = WorkerDeploymentVersion { deployment_name: "dep".to_owned(), build_id: "1.0".to_owned() };
        let text = "Pinned version 'dep:1.0' is not present in task queue 'q' of type 'Workflow'".to_owned();
        let wanted = (Code::FailedPrecondition, text);
        assert_eq!(refused(&pinned(Some(version), PinnedOverrideBehavior::Pinned)), wanted);
        let older = VersioningOverride {
            behavior: VersioningBehavior::Pinned.into(),
            pinned_version: "dep.1.0".to_owned(),
            ..VersioningOverride::default()
        };
        assert_eq!(refused(&older).0, Code::FailedPrecondition);
    }

    #[test]
    fn an_override_is_complete_or_refused() {
        assert_eq!(check(None, "q"), Ok(()));
        assert_eq!(check(Some(&of(Override::AutoUpgrade(true))), "q"), Ok(()));
        let version = Some(WorkerDeploymentVersion::default());
        for (incomplete, text) in [
            (of(Override::AutoUpgrade(false)), "auto-upgrade override must be true"),
            (pinned(None, PinnedOverrideBehavior::Pinned), "must provide version if override is pinned."),
            (
                pinned(version, PinnedOverrideBehavior::Unspecified),
                "must specify pinned override behavior if override is pinned.",
            ),
            (VersioningOverride::default(), "override behavior is required"),
        ] {
            assert_eq!(refused(&incomplete), (Code::InvalidArgument, text.to_owned()));
        }
    }
}
