import Foundation

/// Resident bytes of this process that are its own.
func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").compactMap { Int($0) }
    precondition(pages.count > 5, "/proc is there")
    return (pages[1] - pages[2]) * sysconf(Int32(_SC_PAGESIZE))
}
