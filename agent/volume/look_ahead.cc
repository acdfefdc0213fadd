#include "agent/volume/look_ahead.h"

#include <algorithm>

namespace devrun::volume {

LookAhead::Chunks LookAhead::on_read(const ChunkKey& body, uint32_t first, uint32_t end,
                                     uint32_t chunks) {
  auto found = std::find_if(streams_.begin(), streams_.end(),
                            [&](const Stream& one) { return one.body == body; });
  if (found == streams_.end()) {
    // A file that is read from its beginning is likely to be read on.
    streams_.push_front({body, end, end, first == 0 ? 1u : 0u});
    if (streams_.size() > kStreamsMax) streams_.pop_back();
    return {};
  }
  streams_.splice(streams_.begin(), streams_, found);
  Stream& stream = streams_.front();
  if (end <= stream.next && first + 2 >= stream.next) return {};  // a part of the same chunk
  if (first > stream.next + 1 || first + 2 < stream.next) {
    stream = {body, end, end, 0};
    return {};
  }
  uint32_t readers = 0;
  for (const Stream& one : streams_) readers += one.window > 1 ? 1 : 0;
  const uint32_t most =
      std::clamp<uint32_t>(kWindowOfAllMax / std::max(readers, 1u), 2, kWindowMax);
  stream.window = std::min(std::max(stream.window * 2, 2u), most);
  stream.next = end;
  const uint32_t from = std::max(stream.asked, end);
  const uint32_t until = std::min(end + stream.window, chunks);
  if (until <= from) return {};
  stream.asked = until;
  return {from, until};
}

}  // namespace devrun::volume
