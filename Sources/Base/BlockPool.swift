/// Memory that a loop lends to the buffers it writes into: for as long as a tick, so that idle ones have none and busy
/// ones needn't grow step by step.
package struct BlockPool: ~Copyable {
    @usableFromInline static let blockBytes = 4096
    /// What is kept for the next tick: half a MiB a loop.
    private static let blocksMax = 128

    private var blocks: [UnsafeMutableRawPointer] = []

    package init() {}

    deinit { for block in blocks { block.deallocate() } }

    /// Gives back what is kept.
    package mutating func releaseAll() {
        for block in blocks { block.deallocate() }
        blocks = []
    }

    /// Gives a buffer without memory a block.
    package mutating func lend(to buffer: inout OutputBuffer) {
        guard buffer.capacity == 0 else { return }
        buffer.base = blocks.popLast() ?? .allocate(byteCount: BlockPool.blockBytes, alignment: 16)
        buffer.capacity = BlockPool.blockBytes
    }

    /// Takes the memory of a buffer that is empty.
    package mutating func takeBack(from buffer: inout OutputBuffer) {
        guard buffer.capacity == BlockPool.blockBytes, blocks.count < BlockPool.blocksMax else {
            return buffer.release()
        }
        if let base = buffer.base { blocks.append(base) }
        buffer.base = nil
        buffer.release()
    }
}
