//! What all adapters that speak to AWS share: the SDK configuration from a plan, credentials by the default chain.
