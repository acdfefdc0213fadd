#include "controller/storage/chunk_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/tree/body_copy.h"
#include "common/tree/tree.h"

namespace devrun::storage {

namespace {

constexpr size_t kAlignment = 4096;
constexpr size_t kThreads = 2;
constexpr size_t kChunksMax = 4;  // one is filled, some wait, kThreads are written

}  // namespace

ChunkMemory chunk_memory(size_t bytes) {
  const size_t whole = (bytes + kAlignment) / kAlignment * kAlignment;
  ChunkMemory out(static_cast<char*>(std::aligned_alloc(kAlignment, whole)));
  CHECK(out != nullptr);
  return out;
}

std::unique_ptr<ChunkWriter> ChunkWriter::open(int file, uint64_t size) {
  const std::string self = fmt::format("/proc/self/fd/{}", file);
  UniqueFd direct(::open(self.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
  // Writes that do not lengthen a file need not wait for one another.
  if (!direct || ::ftruncate(file, static_cast<off_t>(size)) != 0) return nullptr;
  return std::unique_ptr<ChunkWriter>(new ChunkWriter(file, std::move(direct)));
}

ChunkWriter::ChunkWriter(int file, UniqueFd direct) : file_(file), direct_(std::move(direct)) {
  for (size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { run(); });
}

ChunkWriter::~ChunkWriter() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    jobs_.clear();
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

ChunkMemory ChunkWriter::take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !free_.empty() || made_ < kChunksMax; });
  if (free_.empty()) {
    ++made_;
    return chunk_memory(tree::kChunkBytes);
  }
  ChunkMemory out = std::move(free_.back());
  free_.pop_back();
  return out;
}

Status ChunkWriter::put(ChunkMemory chunk, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  if (!failed_) return failed_;
  jobs_.push_back({std::move(chunk), offset});
  changed_.notify_all();
  return ok();
}

Status ChunkWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty() && under_way_ == 0; });
  return failed_;
}

void ChunkWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
    if (closed_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    ++under_way_;
    const bool goes_on = failed_.has_value();
    lock.unlock();
    Status written = goes_on ? write(job) : ok();
    lock.lock();
    if (!written && failed_) failed_ = std::move(written);
    --under_way_;
    free_.push_back(std::move(job.chunk));
    changed_.notify_all();
  }
}

Status ChunkWriter::write(const Job& job) const {
  const ssize_t n =
      ::pwrite(direct_.get(), job.chunk.get(), tree::kChunkBytes, static_cast<off_t>(job.offset));
  if (n == static_cast<ssize_t>(tree::kChunkBytes)) return ok();
  // Some file systems take no such writes, and say so only now.
  return tree::write_sparsely(file_, {job.chunk.get(), tree::kChunkBytes}, job.offset);
}

}  // namespace devrun::storage
