package gateway

import "github.com/cartrita/cartrita/registry"

type Registry interface{ Snapshot() *registry.Snapshot }

func (g *Gateway) searchModels(x *exchange) {}
func (g *Gateway) upsertModels(x *exchange) {}
func (g *Gateway) importModels(x *exchange) {}
func (g *Gateway) getModel(x *exchange)     {}
func (g *Gateway) postModel(x *exchange)    {}
