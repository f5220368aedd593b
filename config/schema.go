package config

import _ "embed"

// Schema is the JSON Schema of the configuration, for editors and other tools.
// A test generates it from the types of this package and their comments.
//
//go:embed cartrita.schema.json
var Schema []byte
