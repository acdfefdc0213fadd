// An optional value on the heap, with std::optional's ways: for what is large or rare in structs of which there are
// very many, where an empty std::optional costs as much as a full one. Copied with its value.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace devrun {

template <typename T>
class Boxed {
 public:
  Boxed() = default;
  Boxed(std::nullopt_t) {}
  Boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
  Boxed(std::optional<T> value) {
    if (value) value_ = std::make_unique<T>(std::move(*value));
  }
  Boxed(const Boxed& other) : value_(other ? std::make_unique<T>(*other) : nullptr) {}
  Boxed(Boxed&&) noexcept = default;
  Boxed& operator=(Boxed other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  ~Boxed() = default;

  bool has_value() const { return value_ != nullptr; }
  explicit operator bool() const { return has_value(); }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  T value_or(T otherwise) const { return value_ ? *value_ : std::move(otherwise); }
  void reset() { value_.reset(); }
  operator std::optional<T>() const {
    return value_ ? std::optional<T>(*value_) : std::optional<T>();
  }

  bool operator==(const Boxed& other) const {
    if (has_value() != other.has_value()) return false;
    return !has_value() || *value_ == *other.value_;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace devrun
