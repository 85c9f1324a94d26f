/**
 * The folder of the packages that our code is made of: beside it in a clone. Where Lyceum is itself a package
 * (`@lyceum/sdk`), the outermost one around it, which holds whatever an installer has put where.
 */
export const PACKAGES: string
