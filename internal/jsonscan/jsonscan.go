// Package jsonscan reads the top level of a JSON object in one validating pass
// without decoding any text, and rewrites members in place.
package jsonscan

// Member is one top-level member of an object; Start and End bound its value.
type Member struct {
	Key        string
	KeyStart   int // of the opening quote
	Start, End int
}

// Object is a validated JSON object: the bytes and an index of its members.
type Object struct {
	Raw     []byte
	Members []Member
}
