// The controller's answers as records (cli/output/records.h). As common/wire: refuses what cannot
// be a value.
#pragma once

#include "cli/client/attach_stream.h"
#include "cli/output/records.h"
#include "common/base/result.h"
#include "devrun/v1/client.pb.h"

namespace devrun::cli {

Result<JobRecord> from_proto(const devrun::v1::JobInfo& in);
VolumeRecord from_proto(const devrun::v1::VolumeInfo& in);
SnapshotRecord from_proto(const devrun::v1::SnapshotInfo& in);
// Of an EntryType, as `ls -l` has it; 0: 0.
char type_letter(uint32_t type);
ChangeRecord from_proto(const devrun::v1::TreeChange& in);
devrun::v1::LogStart to_proto(const LogBegin& in);
NodeRecord from_proto(const devrun::v1::NodeInfo& in);

}  // namespace devrun::cli
