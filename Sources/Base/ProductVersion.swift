/// The version of the programs that are built from this tree.
package enum ProductVersion {
    package static let text = "0.4.0"
}
