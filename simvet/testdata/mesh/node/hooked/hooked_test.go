package hooked

func swap() { hook = nil }
