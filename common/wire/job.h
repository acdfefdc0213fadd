// Jobs between the wire (proto/devrun/v1/job.proto) and the model (common/model/job.h), field by
// field. from_proto refuses what cannot be a value of the model (kInvalid, naming the field); it
// does not judge whether a job makes sense. Pure; any thread.
#pragma once

#include "common/base/result.h"
#include "common/model/job.h"
#include "common/model/node.h"
#include "common/model/site_identity.h"
#include "devrun/v1/job.pb.h"

namespace devrun::wire {

namespace pb = devrun::v1;

pb::Resources to_proto(const Resources& in);
pb::Caller to_proto(const Caller& in);
pb::SiteIdentity to_proto(const SiteIdentity& in);
pb::Root to_proto(const Root& in);
pb::TerminalSize to_proto(const TerminalSize& in);
pb::Program to_proto(const Program& in);
pb::SetupOnce to_proto(const SetupOnce& in);
pb::SetupRun to_proto(const SetupRun& in);
pb::SetupUse to_proto(const SetupUse& in);
pb::JobSpec to_proto(const JobSpec& in);
pb::Ending to_proto(const Ending& in);
pb::AttemptKey to_proto(const AttemptKey& in);
pb::WrittenSummary to_proto(const WrittenSummary& in);
pb::HomeSummary to_proto(const HomeSummary& in);
pb::PathRule to_proto(const PathRule& in);
pb::Usage to_proto(const Usage& in);
pb::Timeline to_proto(const Timeline& in);
pb::NodeHello to_proto(const NodeHello& in);
pb::JobState to_proto(JobState in);

Resources from_proto(const pb::Resources& in);
Caller from_proto(const pb::Caller& in);
Result<SiteIdentity> from_proto(const pb::SiteIdentity& in);  // kInvalid: root's
Result<Root> from_proto(const pb::Root& in);
TerminalSize from_proto(const pb::TerminalSize& in);
Program from_proto(const pb::Program& in);
Result<SetupOnce> from_proto(const pb::SetupOnce& in);
Result<SetupRun> from_proto(const pb::SetupRun& in);
Result<SetupUse> from_proto(const pb::SetupUse& in);
Result<JobSpec> from_proto(const pb::JobSpec& in);
Result<Ending> from_proto(const pb::Ending& in);
Result<AttemptKey> from_proto(const pb::AttemptKey& in);
WrittenSummary from_proto(const pb::WrittenSummary& in);
HomeSummary from_proto(const pb::HomeSummary& in);
Result<PathRule> from_proto(const pb::PathRule& in);
Result<Results> from_proto(pb::Results in);
Result<PathRules> path_rules_from(const google::protobuf::RepeatedPtrField<pb::PathRule>& in);
Usage from_proto(const pb::Usage& in);
Timeline from_proto(const pb::Timeline& in);
NodeHello from_proto(const pb::NodeHello& in);
Result<JobState> from_proto(pb::JobState in);

}  // namespace devrun::wire
