package mock

import (
	"encoding/json"
	"net/http"
)

// modelObject is a model as /v1/models shows it.
type modelObject struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

func (s *Server) object(name string) modelObject {
	return modelObject{name, "model", s.born, s.models[name].profile.Load().Owner}
}

// handleModels lists the models.
func (s *Server) handleModels(w http.ResponseWriter, _ *http.Request) {
	list := make([]modelObject, 0, len(s.names))
	for _, name := range s.names {
		list = append(list, s.object(name))
	}
	writeJSON(w, map[string]any{"object": "list", "data": list})
}

// handleModel shows one model.
func (s *Server) handleModel(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if _, f := s.find(name); f != nil {
		f.write(w, f.openAIError())
		return
	}
	writeJSON(w, s.object(name))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client went away
}
