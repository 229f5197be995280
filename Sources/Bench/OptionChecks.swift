import ArgumentParser
import LoadGenerator

/// Refuses an option's value; `objection` names the option.
func require(_ isGood: Bool, _ objection: String) throws {
    if !isGood { throw ValidationError(objection) }
}

/// Refuses a core that this machine doesn't have; nil is none.
func requireCore(_ core: Int?, _ option: String) throws {
    guard let core, !(0..<MachineUsage.coreCount).contains(core) else { return }
    throw ValidationError("\(option): no core \(core) (this machine has \(MachineUsage.coreCount))")
}

/// Numbers with commas between them.
func list<Number: LosslessStringConvertible>(_ text: String) throws -> [Number] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { word in
        guard let number = Number(String(word)) else {
            throw ValidationError("'\(word)' is no number of a list like 1,4")
        }
        return number
    }
}
