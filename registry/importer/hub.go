package importer

import (
	"encoding/json"

	"github.com/cartrita/cartrita/hub"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/registry/schema"
)

// parseHub reads model information of the Hugging Face Hub: one answer of
// /api/models/{id}, or a list of them.
func parseHub(data []byte) ([]Record, error) {
	entries, _, err := entriesOf(data, "models")
	if err != nil {
		return nil, err
	}
	out := make([]Record, 0, len(entries))
	for _, e := range entries {
		r := Record{Path: e.path}
		var raw map[string]json.RawMessage
		if json.Unmarshal(e.raw, &raw) != nil {
			r.Problems = []schema.Problem{{Message: "want an object, got " + clip(e.raw)}}
		} else if m, err := hub.Decode(e.raw); err != nil {
			me := model.AsError(err)
			if me.Param == hub.ParamPipelineTag {
				r.Skip = me.Message
			} else {
				r.Problems = []schema.Problem{{Path: me.Param, Message: me.Message}}
			}
		} else {
			r.Model, r.Ignored = m, hub.Ignored(raw)
		}
		out = append(out, r)
	}
	return out, nil
}
