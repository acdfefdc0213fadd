// Samples between the wire (proto/devrun/v1/monitor.proto) and the model, field by field. from_proto refuses what cannot be
// a value, or is more than a node may say. Pure; any thread.
#pragma once

#include "common/base/result.h"
#include "common/model/sample.h"
#include "devrun/v1/monitor.pb.h"

namespace devrun::wire {

devrun::v1::GpuSample to_proto(const GpuSample& in);
Result<GpuSample> from_proto(const devrun::v1::GpuSample& in);
devrun::v1::NodeSample to_proto(const NodeSample& in);
Result<NodeSample> from_proto(const devrun::v1::NodeSample& in);
devrun::v1::Series to_proto(const LoadSeries& in);
LoadSeries from_proto(const devrun::v1::Series& in);

}  // namespace devrun::wire
