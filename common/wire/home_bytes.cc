#include "common/wire/home_bytes.h"

namespace devrun::wire {

namespace {

// Fields as agent.proto numbers them; the low three bits say how a value is written.
constexpr char kBytesOfHomeUp = 4 << 3 | 2;
constexpr char kEntry = 1 << 3;
constexpr char kData = 2 << 3 | 2;
constexpr char kLast = 3 << 3;
constexpr char kZeros = 4 << 3;

void put_number(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  bool takes(char tag) {
    if (at_ >= in_.size() || in_[at_] != tag) return false;
    ++at_;
    return true;
  }
  std::optional<uint64_t> number() {
    uint64_t out = 0;
    for (int shift = 0; shift < 64 && at_ < in_.size(); shift += 7) {
      const auto byte = static_cast<uint8_t>(in_[at_++]);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return out;
    }
    return std::nullopt;
  }
  size_t at() const { return at_; }

 private:
  const std::string_view in_;
  size_t at_ = 0;
};

}  // namespace

std::string home_bytes_head(const HomeBytesHead& head, size_t bytes) {
  std::string inner;
  inner.push_back(kEntry);
  put_number(inner, head.entry);
  if (head.last) inner += {kLast, 1};
  if (head.zeros > 0) {
    inner.push_back(kZeros);
    put_number(inner, head.zeros);
  }
  inner.push_back(kData);
  put_number(inner, bytes);
  std::string out(1, kBytesOfHomeUp);
  put_number(out, inner.size() + bytes);
  return out + inner;
}

std::optional<HomeBytesStart> read_home_bytes(std::string_view start, size_t message_bytes) {
  Reader in(start);
  HomeBytesStart out;
  if (!in.takes(kBytesOfHomeUp)) return std::nullopt;
  const std::optional<uint64_t> inner = in.number();
  if (!inner || *inner != message_bytes - in.at() || !in.takes(kEntry)) return std::nullopt;
  const std::optional<uint64_t> entry = in.number();
  if (!entry) return std::nullopt;
  out.head.entry = *entry;
  if (in.takes(kLast)) {
    const std::optional<uint64_t> last = in.number();
    if (!last) return std::nullopt;
    out.head.last = *last != 0;
  }
  if (in.takes(kZeros)) {
    const std::optional<uint64_t> zeros = in.number();
    if (!zeros) return std::nullopt;
    out.head.zeros = *zeros;
  }
  if (!in.takes(kData)) return std::nullopt;
  const std::optional<uint64_t> data = in.number();
  if (!data || *data != message_bytes - in.at()) return std::nullopt;
  out.data_at = in.at();
  return out;
}

}  // namespace devrun::wire
