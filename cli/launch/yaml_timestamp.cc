#include "cli/launch/yaml_timestamp.h"

#include <fmt/format.h>

namespace devrun::launch {

namespace {

// Reads `text` from the left; every step says whether it matched.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool digits(size_t least, size_t most, int& value) {
    size_t count = 0;
    value = 0;
    while (count < most && count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') {
      value = value * 10 + (rest_[count++] - '0');
    }
    rest_.remove_prefix(count);
    return count >= least;
  }
  bool character(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool blanks() {
    const size_t end = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    rest_.remove_prefix(end);
    return end > 0;
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

struct Moment {
  int year = 0, month = 0, day = 0;
  int hour = 0, minute = 0, second = 0;
  int microsecond = 0;
  bool has_zone = false;
  int zone_minutes = 0;
};

bool real_date(const Moment& at) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (at.year < 1 || at.month < 1 || at.month > 12 || at.day < 1) return false;
  const bool leap = at.year % 4 == 0 && (at.year % 100 != 0 || at.year % 400 == 0);
  const int days = at.month == 2 && leap ? 29 : kDays.at(static_cast<size_t>(at.month - 1));
  return at.day <= days && at.hour < 24 && at.minute < 60 && at.second < 60 &&
         std::abs(at.zone_minutes) < 24 * 60;
}

bool read_fraction(Cursor& in, int& microsecond) {
  int scale = 100'000;
  for (int digit = 0; in.digits(1, 1, digit); scale /= 10) microsecond += digit * scale;
  return true;
}

bool read_zone(Cursor& in, Moment& at) {
  in.blanks();
  if (in.done()) return true;
  at.has_zone = true;
  if (in.character('Z')) return in.done();
  const bool west = in.character('-');
  if (!west && !in.character('+')) return false;
  int hours = 0;
  int minutes = 0;
  if (!in.digits(1, 2, hours)) return false;
  if (in.character(':') && !in.digits(2, 2, minutes)) return false;
  at.zone_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
  return in.done();
}

std::string zone_text(const Moment& at) {
  if (!at.has_zone) return {};
  const int minutes = std::abs(at.zone_minutes);
  return fmt::format("{}{:02}:{:02}", at.zone_minutes < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

}  // namespace

std::optional<std::string> timestamp_str(std::string_view text) {
  Cursor in(text);
  Moment at;
  if (!in.digits(4, 4, at.year) || !in.character('-') || !in.digits(1, 2, at.month) ||
      !in.character('-') || !in.digits(1, 2, at.day)) {
    return std::nullopt;
  }
  if (in.done()) {  // a date alone has two digits everywhere
    if (text.size() != 10 || !real_date(at)) return std::nullopt;
    return std::string(text);
  }
  if (!in.character('T') && !in.character('t') && !in.blanks()) return std::nullopt;
  if (!in.digits(1, 2, at.hour) || !in.character(':') || !in.digits(2, 2, at.minute) ||
      !in.character(':') || !in.digits(2, 2, at.second)) {
    return std::nullopt;
  }
  if (in.character('.') && !read_fraction(in, at.microsecond)) return std::nullopt;
  if (!read_zone(in, at) || !real_date(at)) return std::nullopt;
  const std::string fraction = at.microsecond > 0 ? fmt::format(".{:06}", at.microsecond) : "";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}{}{}", at.year, at.month, at.day, at.hour,
                     at.minute, at.second, fraction, zone_text(at));
}

}  // namespace devrun::launch
