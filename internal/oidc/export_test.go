package oidc

// IsPublic is isPublic.
var IsPublic = isPublic
